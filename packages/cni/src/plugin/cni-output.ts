// SPDX-License-Identifier: Apache-2.0
import { toMeshError } from "@ambientmesh/core";
import type { CniErrorCode } from "../errors.ts";

/** Versions of the specification whose configurations and results are understood; older ones write addresses differently. */
export const SUPPORTED_VERSIONS: readonly string[] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/** How the plugin ends. */
export interface CniOutput {
  readonly exitCode: number;
  readonly stdout: string;
}

/** Error codes of the specification (1.1.0, section 5): all but the last are well known. */
const TRY_AGAIN_LATER = 11;
const OTHER = 999;
const WELL_KNOWN: Partial<Readonly<Record<CniErrorCode, number>>> = {
  CNI_PLUGIN_VERSION_UNSUPPORTED: 1,
  CNI_PLUGIN_ENVIRONMENT_INVALID: 4,
  CNI_PLUGIN_INPUT_UNREADABLE: 6,
  CNI_PLUGIN_CONFIG_INVALID: 7,
  CNI_AGENT_REFUSED: TRY_AGAIN_LATER,
  CNI_AGENT_UNREACHABLE: TRY_AGAIN_LATER,
};

export function success(result?: object): CniOutput {
  return { exitCode: 0, stdout: result === undefined ? "" : `${JSON.stringify(result)}\n` };
}

/** An error as the runtime expects it on standard output. Its message ends up in the events of the pod. */
export function failure(error: unknown, cniVersion: string): CniOutput {
  const { code, message } = toMeshError(error);
  const number = (WELL_KNOWN as Readonly<Record<string, number | undefined>>)[code] ?? OTHER;
  const body = { cniVersion, code: number, msg: `istio-cni: ${message}`, details: code };
  return { exitCode: 1, stdout: `${JSON.stringify(body)}\n` };
}
