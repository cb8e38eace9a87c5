// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cliErrors } from "../errors.ts";
import { programCommand, type ResolveModule } from "../local/cluster/programs.ts";

/** What `ambientctl translate` is asked for. */
export interface TranslateFlags {
  readonly file: readonly string[];
  readonly for: string;
  readonly output: string;
  readonly trustDomain?: string;
  readonly rootNamespace?: string;
}

/**
 * Lets istiod translate YAML files, without a cluster; its output is this command's.
 * @returns its exit code: 1 if an API server would refuse an object
 * @throws MeshError CLI_PROGRAM_MISSING if istiod is not installed
 */
export async function translate(flags: TranslateFlags, resolve: ResolveModule): Promise<number> {
  const found = programCommand("@ambientmesh/istiod/main", resolve);
  if (!("argv" in found)) throw cliErrors.create("CLI_PROGRAM_MISSING", `istiod is not there: ${found.problem}`);
  const [program, ...args] = found.argv;
  const child = spawn(program, [...args, "translate", ...translateArguments(flags)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

/** The words after `istiod translate`. */
export function translateArguments(flags: TranslateFlags): readonly string[] {
  return [
    ...flags.file.map((path) => `--file=${path}`),
    `--for=${flags.for}`,
    `--output=${flags.output}`,
    ...(flags.trustDomain === undefined ? [] : [`--trustDomain=${flags.trustDomain}`]),
    ...(flags.rootNamespace === undefined ? [] : [`--rootNamespace=${flags.rootNamespace}`]),
  ];
}
