// SPDX-License-Identifier: Apache-2.0
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf, parseDurationMs } from "@ambientmesh/core";
import { cliErrors } from "../errors.ts";
import { USUAL_API, type WantedSocket } from "../local/host-sockets.ts";
import { parseForwards, type WantedForward } from "./forwards.ts";

/** Flags of `local up`, as commander gives them. */
export interface UpFlags {
  readonly name: string;
  readonly story?: boolean;
  readonly once?: boolean;
  readonly json?: boolean;
  /** False with `--no-mesh`. */
  readonly mesh: boolean;
  readonly secretTtl?: string;
  readonly logLevel: string;
  readonly apiPort?: string;
  readonly forward?: readonly string[];
}

/** What `local up` is to do, checked. */
export interface UpOptions {
  readonly flags: UpFlags;
  readonly folder: string;
  readonly api: WantedSocket;
  readonly secretTtl: string;
  readonly forwards: readonly WantedForward[];
}

const DEFAULT_SECRET_TTL = "24h";
/** Short enough to see certificates rotate while the story is told. */
const STORY_SECRET_TTL = "40s";

/**
 * Checks flags and folder before anything is done.
 * @throws MeshError CLI_FOLDER_INVALID, CLI_ARGUMENT_INVALID naming the flag
 */
export function checkedOptions(folder: string, flags: UpFlags): UpOptions {
  const invalid = (text: string): Error => cliErrors.create("CLI_ARGUMENT_INVALID", text);
  const path = resolve(folder);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw cliErrors.create("CLI_FOLDER_INVALID", `${folder} is no folder; name one with YAML files in it`);
  }
  if ((flags.once === true || flags.json === true) && flags.story !== true) {
    throw invalid("--once and --json belong to --story");
  }
  if (flags.story === true && !flags.mesh) throw invalid("--story needs the mesh; leave --no-mesh out");
  const secretTtl = flags.secretTtl ?? (flags.story === true ? STORY_SECRET_TTL : DEFAULT_SECRET_TTL);
  try {
    parseDurationMs(secretTtl);
  } catch (error) {
    throw invalid(`--secret-ttl "${secretTtl}" ${messageOf(error)}`);
  }
  return {
    flags,
    folder: path,
    api: wantedApi(flags.apiPort),
    secretTtl,
    forwards: parseForwards(flags.forward ?? []),
  };
}

function wantedApi(text: string | undefined): WantedSocket {
  if (text === undefined) return USUAL_API;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536)
    return { ...USUAL_API, port, ifBusy: { flag: "--api-port" } };
  throw cliErrors.create("CLI_ARGUMENT_INVALID", `--api-port "${text}" is no port from 1 to 65535`);
}
