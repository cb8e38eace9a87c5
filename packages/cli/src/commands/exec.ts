// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { RESOURCES } from "@ambientmesh/kube";
import { ownMountNamespace } from "@ambientmesh/linux";
import type { CliConfig } from "../config.ts";
import { cliErrors } from "../errors.ts";
import { connectToMesh, requireMesh, type FoundMesh } from "../local/find-mesh.ts";
import { toolPath } from "../local/footing.ts";
import { podNetnsName } from "../local/run-directory/place.ts";
import { RUN_VARIABLE } from "../local/run-directory/record.ts";
import { nodeResolver } from "../local/running-mesh.ts";
import { findTarget, type Target } from "./targets.ts";

/** A program that takes the place of this process. */
export interface Replacement {
  /** Absolute path. */
  readonly program: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Pods can't reach the user's proxy. */
const PROXIES = /^(?:https?|ftp|all|no)_proxy$/i;
/** `"$1"` is the file that is to be seen as /etc/resolv.conf. */
const WITH_RESOLVER = 'mount --bind -- "$1" /etc/resolv.conf || exit 125; shift; exec "$@"';

/**
 * What to run in this process's place so that `command` runs in a pod or on a node: with its network and resolver, this
 * terminal, and an exit code that is the command's own.
 * @throws MeshError CLI_MESH_NOT_RUNNING, CLI_TARGET_NOT_FOUND, CLI_ARGUMENT_INVALID
 */
export async function execReplacement(
  {
    name,
    target: word,
    command,
  }: { readonly name: string; readonly target: string; readonly command: readonly string[] },
  { config, env }: { readonly config: CliConfig; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<Replacement> {
  if (command.length === 0) {
    throw cliErrors.create("CLI_ARGUMENT_INVALID", `name the program to run: ambientctl local exec ${word} -- PROGRAM`);
  }
  const found = requireMesh(config, name);
  using client = await connectToMesh(found);
  const target = findTarget(word, await client.list(RESOURCES.Pod));
  const argv = [...intoSeclusion(found), ...intoNetwork(found, target), ...command];
  return { program: toolPath("nsenter"), argv, env: programEnvironment(env, found.record.runId) };
}

function intoSeclusion({ record }: FoundMesh): readonly string[] {
  if (record.seclusion === "machine") return [];
  return ["nsenter", "--target", String(record.supervisor.pid), "--user", "--mount", "--preserve-credentials", "--"];
}

function intoNetwork({ place }: FoundMesh, target: Target): readonly string[] {
  const { netns, resolver } = networkOf(target, place);
  const enter = ["nsenter", `--net=${join(place.netnsDirectory, netns)}`, "--"];
  if (resolver === undefined) return enter;
  return [...enter, ...ownMountNamespace(), "sh", "-c", WITH_RESOLVER, "sh", resolver];
}

function networkOf(
  target: Target,
  place: FoundMesh["place"],
): { readonly netns: string; readonly resolver: string | undefined } {
  if (target.kind === "fabric") return { netns: place.netnsName(target.name), resolver: undefined };
  if (target.kind === "node")
    return { netns: place.netnsName(target.name), resolver: nodeResolver(place, target.name) };
  const { metadata, spec } = target.pod;
  const { nodeName } = spec;
  if (nodeName === undefined) {
    throw cliErrors.create("CLI_TARGET_NOT_FOUND", `pod ${metadata.name} is not on any node yet`);
  }
  if (spec.hostNetwork === true) return { netns: place.netnsName(nodeName), resolver: nodeResolver(place, nodeName) };
  const { uid = "" } = metadata;
  return { netns: podNetnsName(uid), resolver: join(place.pod(nodeName, uid), "resolv.conf") };
}

/** The user's own, marked so that the end of the mesh ends the program too. */
function programEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  runId: string,
): Readonly<Record<string, string>> {
  const entries = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !PROXIES.test(entry[0]),
  );
  return { ...Object.fromEntries(entries), [RUN_VARIABLE]: runId };
}
