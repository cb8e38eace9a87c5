// SPDX-License-Identifier: Apache-2.0
import { ConfigReader, type DeclaredVariable } from "@ambientmesh/core";
import { parseCommandLine } from "./command-line.ts";
import { readEnvironment, type Environment } from "./environment.ts";
import { readFlags, SWITCHES, type Flags } from "./flags.ts";
import { helpText } from "./help.ts";
import { parseMeshConfig, type MeshConfig } from "./mesh-config.ts";
import { UNSUPPORTED_FLAGS, UNSUPPORTED_VARIABLES, type UnsupportedSetting } from "./unsupported.ts";

/** Everything that can be set, read and checked once. Flags win over variables of the same meaning. */
export interface IstiodConfig extends Omit<Environment, "namespace" | "clusterId">, Flags {
  readonly meshConfig: MeshConfig;
  /** False: there is no file, and the ConfigMap of the mesh has the MeshConfig. */
  readonly isMeshConfigFile: boolean;
  /** What was asked for and has no effect; to be logged. */
  readonly warnings: readonly string[];
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: "discovery"; readonly config: IstiodConfig }
  | { readonly kind: "version" }
  | { readonly kind: "help"; readonly text: string };

/** What the configuration is read from. */
export interface ConfigInput {
  /** The words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Processors of the machine. */
  readonly cpus: number;
  /** The text of a file; undefined if there is none. */
  readonly readFile: (path: string) => string | undefined;
}

/**
 * Reads the command line, the environment and the MeshConfig file.
 * @throws MeshError CONFIG_INVALID naming everything that is wrong.
 */
export function parseConfig(input: ConfigInput): Command {
  const { command, flags, problems } = parseCommandLine(input.argv, SWITCHES);
  if (flags["--help"] === "true" || flags["-h"] === "true" || command === "help" || input.argv.length === 0) {
    return { kind: "help", text: helpText(declare().flags) };
  }
  if (command === "version") return { kind: "version" };
  const environmentReader = new ConfigReader(input.env);
  for (const problem of problems) environmentReader.problem(problem);
  if (command !== "discovery")
    environmentReader.problem(`"${command ?? ""}" is no command; use discovery, version or help`);
  const flagReader = new ConfigReader(flags);
  const environment = readEnvironment(environmentReader, input.cpus);
  const parsed = readFlags(flagReader, environment);
  const warnings = [
    ...checkUnsupported(flagReader, flags, UNSUPPORTED_FLAGS),
    ...checkUnsupported(environmentReader, input.env, UNSUPPORTED_VARIABLES),
    ...checkTogether(environmentReader, { ...environment, ...parsed }),
  ];
  const known = new Set([...flagReader.declared.map(({ name }) => name), ...Object.keys(UNSUPPORTED_FLAGS)]);
  for (const name of Object.keys(flags)) if (!known.has(name)) flagReader.problem(`${name} is no flag of istiod`);
  const mesh = readMesh(flagReader, parsed, "--meshConfig" in flags, input.readFile);
  for (const problem of flagReader.problems) environmentReader.problem(problem);
  environmentReader.finish("istiod");
  const { meshConfig, isMeshConfigFile } = mesh;
  const config = {
    ...environment,
    ...parsed,
    meshConfig,
    isMeshConfigFile,
    warnings: [...warnings, ...mesh.warnings],
  };
  return { kind: "discovery", config: Object.freeze(config) };
}

/** The environment variables, for docs/reference/configuration.md. */
export function describeConfig(): readonly DeclaredVariable[] {
  return declare().variables;
}

function declare(): { flags: readonly DeclaredVariable[]; variables: readonly DeclaredVariable[] } {
  const variables = new ConfigReader({});
  const flags = new ConfigReader({});
  readFlags(flags, readEnvironment(variables, 1));
  return { flags: flags.declared, variables: variables.declared };
}

function checkUnsupported(
  reader: ConfigReader,
  values: Readonly<Record<string, string | undefined>>,
  unsupported: Readonly<Record<string, UnsupportedSetting>>,
): string[] {
  const warnings: string[] = [];
  for (const [name, { harmless, effect, reason }] of Object.entries(unsupported)) {
    const value = values[name];
    if (value === undefined || value === "" || harmless.includes(value)) continue;
    const text = `${name}="${value}" has no effect: ${reason}`;
    if (effect === "warn") warnings.push(text);
    else reader.problem(text.replace("has no effect", "is not supported"));
  }
  return warnings;
}

function checkTogether(reader: ConfigReader, config: Omit<Environment, "namespace" | "clusterId"> & Flags): string[] {
  const { certificates, authentication, push } = config;
  if (certificates.defaultTtlMs > certificates.maxTtlMs) {
    reader.problem("DEFAULT_WORKLOAD_CERT_TTL is longer than MAX_WORKLOAD_CERT_TTL");
  }
  if (certificates.defaultTtlMs < 1000) reader.problem("DEFAULT_WORKLOAD_CERT_TTL is shorter than a second");
  if (push.debounceMs > push.debounceMaxMs) reader.problem("PILOT_DEBOUNCE_AFTER is longer than PILOT_DEBOUNCE_MAX");
  if (authentication.tokenAudiences.length === 0) reader.problem("TOKEN_AUDIENCES names no audience");
  for (const account of authentication.trustedNodeAccounts) {
    if (!/^[^/]+\/[^/]+$/.test(account)) reader.problem(`CA_TRUSTED_NODE_ACCOUNTS: "${account}" is not namespace/name`);
  }
  const host = config.grpcAddress?.host;
  const isLoopback = host === undefined || host === "localhost" || host === "::1" || host.startsWith("127.");
  return isLoopback
    ? []
    : [`--grpcAddr: plaintext xDS without authentication is reachable on ${host || "all addresses"}`];
}

function readMesh(
  reader: ConfigReader,
  { meshConfigFile, namespace }: Flags,
  isRequired: boolean,
  readFile: ConfigInput["readFile"],
): { meshConfig: MeshConfig; isMeshConfigFile: boolean; warnings: readonly string[] } {
  const text = readFile(meshConfigFile);
  if (text === undefined && isRequired) reader.problem(`--meshConfig: ${meshConfigFile} does not exist`);
  const { meshConfig, warnings, problems } = parseMeshConfig(text ?? "", meshConfigFile, namespace);
  for (const problem of problems) reader.problem(problem);
  return { meshConfig, isMeshConfigFile: text !== undefined, warnings };
}
