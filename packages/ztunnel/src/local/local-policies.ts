// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AuthorizationSchema,
  type AddressSchema,
  type MatchSchema,
  type StringMatchSchema,
} from "@ambientmesh/api/security";
import { compileAuthorization, policyNotUnderstood } from "@ambientmesh/authz";
import { messageOf } from "@ambientmesh/core";
import { canonicalIp, familyOf, ipToBytes } from "../net/address.ts";
import type { PolicyResource } from "../state/policy-store.ts";
import { invalid, listOf, textOf, YamlMapping } from "./yaml-mapping.ts";

type Match = MessageInitShape<typeof MatchSchema>;

// Names to the numbers of protobuf enums (Istio 1.31 authorization.proto); the first is the default.
const SCOPES = { Global: 0, Namespace: 1, WorkloadSelector: 2 } as const;
const ACTIONS = { Allow: 0, Deny: 1 } as const;

/** A policy under the names of `config_dump`: rules are a list of rules, each of clauses, each of matches. */
export function readPolicy(path: string, value: unknown): PolicyResource {
  const yaml = new YamlMapping(path, value);
  const required = (key: string): string => textOf(yaml.pathOf(key), yaml.required(key));
  const source = create(AuthorizationSchema, {
    name: required("name"),
    namespace: yaml.text("namespace"),
    scope: yaml.choice("scope", SCOPES),
    action: yaml.choice("action", ACTIONS),
    dryRun: yaml.flag("dryRun"),
    groups: yaml.list("rules").map((rule, at) => {
      const rulePath = `${yaml.pathOf("rules")}[${at}]`;
      return { rules: listOf(rulePath, rule).map((clause, index) => clauseOf(`${rulePath}[${index}]`, clause)) };
    }),
  });
  yaml.finish();
  const { policy, problems } = compileAuthorization(source);
  if (problems.length > 0) throw invalid(path, `is no good: ${messageOf(policyNotUnderstood(policy.key, problems))}`);
  return { policy, source };
}

function clauseOf(path: string, value: unknown): { matches: Match[] } {
  return { matches: listOf(path, value).map((match, at) => matchOf(`${path}[${at}]`, match)) };
}

function matchOf(path: string, value: unknown): Match {
  const yaml = new YamlMapping(path, value);
  const strings = (key: string): MessageInitShape<typeof StringMatchSchema>[] =>
    yaml.list(key).map((entry, at) => patternOf(`${yaml.pathOf(key)}[${at}]`, entry));
  const ranges = (key: string): MessageInitShape<typeof AddressSchema>[] =>
    yaml.texts(key).map((text) => rangeOf(yaml.pathOf(key), text));
  const ports = (key: string): number[] =>
    yaml.list(key).map((entry, at) => {
      if (typeof entry === "number" && Number.isInteger(entry) && entry >= 0 && entry <= 65_535) return entry;
      throw invalid(`${yaml.pathOf(key)}[${at}]`, "is not a port");
    });
  const accounts = (key: string): { namespace: string; serviceAccount: string }[] =>
    yaml.list(key).map((entry, at) => {
      const account = new YamlMapping(`${yaml.pathOf(key)}[${at}]`, entry);
      const result = { namespace: account.text("namespace"), serviceAccount: account.text("serviceAccount") };
      account.finish();
      return result;
    });
  const match = {
    namespaces: strings("namespaces"),
    notNamespaces: strings("notNamespaces"),
    principals: strings("principals"),
    notPrincipals: strings("notPrincipals"),
    serviceAccounts: accounts("serviceAccounts"),
    notServiceAccounts: accounts("notServiceAccounts"),
    sourceIps: ranges("sourceIps"),
    notSourceIps: ranges("notSourceIps"),
    destinationIps: ranges("destinationIps"),
    notDestinationIps: ranges("notDestinationIps"),
    destinationPorts: ports("destinationPorts"),
    notDestinationPorts: ports("notDestinationPorts"),
  };
  yaml.finish();
  return match;
}

/** `{Exact: x}`, `{Prefix: x}`, `{Suffix: x}` or `{Presence: []}`. */
function patternOf(path: string, value: unknown): MessageInitShape<typeof StringMatchSchema> {
  const yaml = new YamlMapping(path, value);
  const [[kind, text] = ["", ""], ...more] = yaml.entries();
  if (more.length > 0) throw invalid(path, "holds more than one pattern");
  switch (kind) {
    case "Exact":
      return { matchType: { case: "exact", value: textOf(path, text) } };
    case "Prefix":
      return { matchType: { case: "prefix", value: textOf(path, text) } };
    case "Suffix":
      return { matchType: { case: "suffix", value: textOf(path, text) } };
    case "Presence":
      return { matchType: { case: "presence", value: {} } };
    default:
      throw invalid(path, "is none of Exact, Prefix, Suffix, Presence");
  }
}

function rangeOf(path: string, text: string): MessageInitShape<typeof AddressSchema> {
  const [address = "", length] = text.split("/");
  const ip = canonicalIp(address);
  if (ip === undefined || (length !== undefined && !/^\d{1,3}$/.test(length))) {
    throw invalid(path, `holds "${text}", which is no range of addresses`);
  }
  return { address: ipToBytes(ip), length: length === undefined ? (familyOf(ip) === 4 ? 32 : 128) : Number(length) };
}
