// SPDX-License-Identifier: Apache-2.0
import { ConfigReader, type DeclaredVariable } from "@ambientmesh/core";

/** What the command line takes from its environment. */
export interface CliConfig {
  /** Where root keeps the run directories of local meshes. */
  readonly machineRoot: string;
  /** Where everybody else does, and root where it may not change the machine. */
  readonly privateRoot: string;
  /** What another ambientctl has given to this process, which it has started inside namespaces of its own. */
  readonly inheritedSockets: string | undefined;
  /** What ambientctl itself logs, as in `warn,kubelet=debug`. */
  readonly logFilter: string;
  /** PATH of programs in pods. */
  readonly searchPath: string;
  /** What pods' programs see of the user's environment. */
  readonly inherited: Readonly<Record<string, string>>;
}

/** Set by ambientctl for the copy of itself that it starts inside namespaces of its own. */
export const INSIDE_VARIABLE = "AMBIENTCTL_INSIDE";
/** Tells that copy where its run directory is. */
export const RUN_ROOT_VARIABLE = "AMBIENTCTL_RUN_ROOT";

/** Of a user's environment only what programs need to find their way; proxies in particular can't be reached from pods. */
const INHERITED = ["HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "TZ"];
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @param uid the user's number, as it is outside of user namespaces */
export function parseConfig(env: Readonly<Record<string, string | undefined>>, uid: number): CliConfig {
  const reader = new ConfigReader(env);
  const config = readConfig(reader, uid);
  reader.finish("ambientctl");
  const inherited = INHERITED.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return Object.freeze({ ...config, inherited: Object.fromEntries(inherited) as Record<string, string> });
}

/** Every variable, for the documentation. */
export function describeConfig(): readonly DeclaredVariable[] {
  const reader = new ConfigReader({});
  readConfig(reader, 0);
  return reader.declared;
}

function readConfig(reader: ConfigReader, uid: number): Omit<CliConfig, "inherited"> {
  const runRoot = reader.string({
    name: RUN_ROOT_VARIABLE,
    default: "",
    description:
      "Directory for the run directories of local meshes; empty: /run/ambientmesh for root, else below XDG_RUNTIME_DIR or /tmp.",
  });
  const runtimeDirectory = reader.string({
    name: "XDG_RUNTIME_DIR",
    default: "",
    description: "The user's own directory for run-time files; without it local mode uses one in /tmp.",
  });
  const ownRoot = runtimeDirectory === "" ? `/tmp/ambientmesh-${uid}` : `${runtimeDirectory}/ambientmesh`;
  return {
    machineRoot: runRoot || "/run/ambientmesh",
    privateRoot: runRoot || ownRoot,
    inheritedSockets: reader.string({
      name: INSIDE_VARIABLE,
      default: undefined,
      description: "Set by ambientctl itself for the process that it starts inside a user namespace.",
    }),
    logFilter: reader.string({
      name: "AMBIENTCTL_LOG",
      default: "warn",
      description: "What ambientctl itself logs to standard error, as in `warn,kubelet=debug`.",
    }),
    searchPath: reader.string({ name: "PATH", default: DEFAULT_PATH, description: "PATH of the programs in pods." }),
  };
}
