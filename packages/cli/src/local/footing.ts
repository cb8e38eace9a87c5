// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@ambientmesh/core";
import {
  SEARCH_PATH,
  createNetns,
  effectiveCapabilities,
  isInChroot,
  runProgram,
  type Capability,
} from "@ambientmesh/linux";
import type { CliConfig } from "../config.ts";
import { cliErrors } from "../errors.ts";
import type { Seclusion } from "./run-directory/place.ts";

/** Programs that a mesh is built with, and the Debian packages that bring them. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ip: "iproute2",
  nft: "nftables",
  setpriv: "util-linux",
  unshare: "util-linux",
  nsenter: "util-linux",
  mount: "mount",
  umount: "mount",
};

const CAPABILITIES: readonly Capability[] = ["SYS_ADMIN", "NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "SYS_PTRACE"];

/** On what a mesh can stand here: directly, or in a process with namespaces of its own. */
export type Footing =
  | { readonly kind: "here"; readonly seclusion: Seclusion; readonly root: string }
  /** `enter` begins the command line of that process. */
  | { readonly kind: "inside"; readonly enter: readonly [string, ...string[]]; readonly root: string };

/**
 * Finds out how a mesh can be run by this user: as root with names under /run/netns, or in a user and mount namespace.
 * @throws MeshError CLI_PROGRAM_MISSING, CLI_PRIVILEGE_MISSING naming everything that stands in the way
 */
export async function findFooting(config: CliConfig): Promise<Footing> {
  if (process.platform !== "linux") {
    const text = `a local mesh needs Linux with network namespaces; this is ${process.platform}`;
    throw cliErrors.create("CLI_PRIVILEGE_MISSING", text);
  }
  requirePrograms();
  requireResolver();
  if (config.inheritedSockets !== undefined) return { kind: "here", seclusion: "private", root: config.privateRoot };
  const missing = missingCapabilities();
  if (missing === undefined && canWrite(config.machineRoot)) {
    return { kind: "here", seclusion: "machine", root: config.machineRoot };
  }
  const user = missing === undefined ? [] : ["--user", "--map-root-user"];
  const namespaces = [...user, "--mount", "--net"];
  const obstacle = await obstacleTo(namespaces);
  if (obstacle === undefined) {
    return { kind: "inside", enter: ["unshare", ...namespaces, "--propagation", "private"], root: config.privateRoot };
  }
  const first = missing ?? `${config.machineRoot} can't be written to`;
  const text = `a local mesh needs root or user namespaces: ${first}; ${obstacle}. Run it as root, or allow user namespaces`;
  throw cliErrors.create("CLI_PRIVILEGE_MISSING", text);
}

/** The path of a program that local mode uses itself. @throws MeshError CLI_PROGRAM_MISSING */
export function toolPath(program: string): string {
  const path = findTool(program);
  if (path !== undefined) return path;
  const text = `"${program}" is not installed; on Debian: apt-get install ${PROGRAMS[program] ?? program}`;
  throw cliErrors.create("CLI_PROGRAM_MISSING", text);
}

function findTool(program: string): string | undefined {
  return SEARCH_PATH.split(":")
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

function requirePrograms(): void {
  const missing = Object.keys(PROGRAMS).filter((program) => findTool(program) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PROGRAMS[program]))].join(" ");
  const text = `these programs are not installed: ${missing.join(", ")}; on Debian: apt-get install ${packages}`;
  throw cliErrors.create("CLI_PROGRAM_MISSING", text, { details: { missing } });
}

/** Pods see a file of their own in its place, for which there has to be a place. */
function requireResolver(): void {
  if (existsSync("/etc/resolv.conf")) return;
  throw cliErrors.create("CLI_PRIVILEGE_MISSING", "/etc/resolv.conf is missing; make an empty one, pods get their own");
}

/** What this process lacks, in words; undefined if it has everything. */
function missingCapabilities(): string | undefined {
  const present = effectiveCapabilities();
  const missing = CAPABILITIES.filter((capability) => !present.has(capability));
  if (missing.length > 0) return `this user lacks ${missing.map((name) => `CAP_${name}`).join(", ")}`;
  try {
    createNetns()[Symbol.dispose]();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function canWrite(root: string): boolean {
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    accessSync(root, constants.W_OK);
    return true;
  } catch {
    // Read-only, or somebody else's.
    return false;
  }
}

/** Why namespaces can't be made, in words; undefined if they can. */
async function obstacleTo(namespaces: readonly string[]): Promise<string | undefined> {
  const probe = await runProgram(["unshare", ...namespaces, "true"]);
  if (probe.exitCode === 0) return undefined;
  const said = probe.stderr.trim().split("\n")[0] ?? "";
  const settings = [
    setting("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
    setting("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"),
    setting(
      "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
      "1",
      "kernel.apparmor_restrict_unprivileged_userns is 1",
    ),
  ].filter((text) => text !== undefined);
  if (isInChroot()) settings.unshift("the kernel refuses them to processes in a chroot");
  const why = settings.length > 0 ? settings.join(", ") : "the kernel or the container's seccomp profile refuses them";
  return `user namespaces can't be made (${said}): ${why}`;
}

function setting(path: string, bad: string, text: string): string | undefined {
  return existsSync(path) && readFileSync(path, "utf8").trim() === bad ? text : undefined;
}
