// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULTS } from "@ambientmesh/api";
import { messageOf } from "@ambientmesh/core";
import { stringify } from "yaml";
import { errors } from "../errors.ts";
import { checkObjects } from "./check-objects.ts";
import { readObjects } from "./read-objects.ts";
import { translateObjects } from "./translate.ts";

/** What the command prints, and how it ends. */
export interface CommandResult {
  readonly stdout: string;
  /** Sentences for people. */
  readonly stderr: readonly string[];
  readonly exitCode: 0 | 1;
}

export const TRANSLATE_USAGE: string = `istiod translate -f FILE|FOLDER... [--for ztunnel] [-o yaml|json]

Prints what istiod would send to node proxies for YAML files, and the conditions it would write to their status.
  -f, --file FILE        a file, or a folder whose .yaml, .yml and .json files are read; may be repeated
      --for ztunnel      whose resources (waypoints are not supported by this version)
  -o, --output FORMAT    yaml (default) or json
      --clusterID, --domain, --namespace, --rootNamespace, --trustDomain
                         of the mesh; defaults ${DEFAULTS.CLUSTER_ID}, ${DEFAULTS.CLUSTER_DOMAIN}, ${DEFAULTS.ROOT_NAMESPACE}, --namespace, ${DEFAULTS.TRUST_DOMAIN}
`;

const LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * Runs `istiod translate`. Objects that an API server would refuse are named on standard error, and the exit code is 1.
 * @throws MeshError ISTIOD_TRANSLATE_USAGE, ISTIOD_YAML_INVALID
 */
export async function translateCommand(argv: readonly string[]): Promise<CommandResult> {
  const { file = [], output, help, clusterID, domain, namespace, rootNamespace, trustDomain } = readArguments(argv);
  if (help) return { stdout: TRANSLATE_USAGE, stderr: [], exitCode: 0 };
  const found = readObjects(readFiles(file));
  const { refused, warnings } = await checkObjects(found);
  const { ignored, ...translation } = translateObjects(
    found.map(({ object }) => object),
    {
      clusterId: clusterID,
      domain,
      trustDomain,
      systemNamespace: namespace,
      rootNamespace: rootNamespace ?? namespace,
      isDryRunSent: false,
    },
  );
  const text = output === "json" ? `${JSON.stringify(translation, undefined, 2)}\n` : stringify(translation);
  const notRead = ignored.length > 0 ? [`not read by istiod: ${ignored.join(", ")}`] : [];
  return { stdout: text, stderr: [...refused, ...warnings, ...notRead], exitCode: refused.length > 0 ? 1 : 0 };
}

const OPTIONS = {
  file: { type: "string", short: "f", multiple: true },
  for: { type: "string", default: "ztunnel" },
  output: { type: "string", short: "o", default: "yaml" },
  help: { type: "boolean", short: "h", default: false },
  clusterID: { type: "string", default: DEFAULTS.CLUSTER_ID },
  domain: { type: "string", default: DEFAULTS.CLUSTER_DOMAIN },
  namespace: { type: "string", default: DEFAULTS.ROOT_NAMESPACE },
  rootNamespace: { type: "string" },
  trustDomain: { type: "string", default: DEFAULTS.TRUST_DOMAIN },
} as const;

type Arguments = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

function readArguments(argv: readonly string[]): Arguments {
  let values: Arguments;
  try {
    ({ values } = parseArgs({ args: [...argv], options: OPTIONS }));
  } catch (error) {
    throw usage(messageOf(error), error);
  }
  if (values.for.startsWith("waypoint:"))
    throw usage(`--for ${values.for}: waypoints are not supported by this version`);
  if (values.for !== "ztunnel") throw usage(`--for ${values.for}: only ztunnel is known`);
  if (values.output !== "yaml" && values.output !== "json")
    throw usage(`-o ${values.output}: only yaml and json are known`);
  if (values.file === undefined && !values.help) throw usage("no file is given: -f FILE");
  return values;
}

function readFiles(paths: readonly string[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  let bytes = 0;
  for (const path of paths.flatMap(filesOf)) {
    const text = readText(path);
    bytes += text.length;
    if (bytes > LIMIT_BYTES) throw usage(`the files have more than ${LIMIT_BYTES} characters`);
    files.set(path, text);
  }
  return files;
}

function filesOf(path: string): readonly string[] {
  if (!(statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false)) return [path];
  return readdirSync(path)
    .filter((name) => /\.(?:ya?ml|json)$/.test(name))
    .toSorted()
    .map((name) => join(path, name));
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usage(`${path} can't be read: ${messageOf(error)}`, error);
  }
}

function usage(problem: string, cause?: unknown): Error {
  return errors.create("ISTIOD_TRANSLATE_USAGE", problem, { cause });
}
