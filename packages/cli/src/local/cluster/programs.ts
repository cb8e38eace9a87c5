// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where a module is, as `import.meta.resolve` says it. */
export type ResolveModule = (specifier: string) => string;

/** The command line of one of the mesh's programs, or why there is none. */
export type ProgramCommand = { readonly argv: readonly [string, ...string[]] } | { readonly problem: string };

/** Makes Node.js take workspace packages as sources. */
const SOURCE_CONDITION = "--conditions=@ambientmesh/source";

/**
 * How to start a program of the mesh: with the Node.js that runs this, from sources if this runs from sources. Programs are
 * processes only; nothing of them is loaded here.
 */
export function programCommand(specifier: string, resolve: ResolveModule): ProgramCommand {
  try {
    const path = fileURLToPath(resolve(specifier));
    if (!existsSync(path)) return { problem: `${specifier} is not there: ${path} is missing` };
    const flags = path.endsWith(".ts") ? [SOURCE_CONDITION] : [];
    return { argv: [process.execPath, ...flags, path] };
  } catch (error) {
    return { problem: `${specifier} is not installed (${(error as NodeJS.ErrnoException).code ?? String(error)})` };
  }
}
