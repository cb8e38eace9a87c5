// SPDX-License-Identifier: Apache-2.0
import { ok } from "node:assert/strict";
import { create, fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { isProtobufError, sizeOf, type FuzzTarget, type FuzzTargets } from "@ambientmesh/testkit";
import { ClusterSchema } from "../src/envoy/cluster.ts";
import { envoyRegistry } from "../src/envoy/index.ts";
import { ListenerSchema } from "../src/envoy/listener.ts";
import { httpConnectionManager } from "../src/envoy/network-filters.ts";
import { RouteConfigurationSchema } from "../src/envoy/route.ts";
import { compilePattern } from "../src/validate/re2/pattern.ts";
import { UnsupportedRule } from "../src/validate/rule.ts";
import { createValidator, validationError } from "../src/validate/index.ts";

const SCHEMAS: readonly DescMessage[] = [ClusterSchema, ListenerSchema, RouteConfigurationSchema];
const MAX_VIOLATIONS = 20;
const validator = createValidator({ registry: envoyRegistry, maxViolations: MAX_VIOLATIONS });

function decoded(schema: DescMessage, input: Buffer): Message | undefined {
  try {
    return fromBinary(schema, input);
  } catch (error) {
    if (!isProtobufError(error)) throw error;
    return undefined;
  }
}

/** The first octet picks the type. What can be decoded is judged within the limits, in words that don't grow with it. */
const envoy: FuzzTarget["run"] = (input) => {
  const schema = SCHEMAS[(input[0] ?? 0) % SCHEMAS.length] ?? ClusterSchema;
  const message = decoded(schema, input.subarray(1));
  if (message === undefined) return "no message";
  sizeOf(message, 16_384 + 256 * input.length);
  const result = validator.validate(schema, message);
  if (result.ok) return `${schema.name} valid`;
  ok(result.violations.length <= MAX_VIOLATIONS, "more violations than asked for");
  ok(validationError(schema, result.violations).message.length < 8192, "a message has no end");
  return result.violations
    .map(({ rule }) => rule)
    .slice(0, 2)
    .join();
};

/** A pattern, a line feed, a text. */
const pattern: FuzzTarget["run"] = (input) => {
  const [expression = "", ...text] = input.toString("utf8").split("\n");
  try {
    return String(compilePattern("string.pattern", expression)(text.join("\n")));
  } catch (error) {
    if (!(error instanceof UnsupportedRule)) throw error;
    return (
      error.message
        .split(": ")
        .at(-1)
        ?.match(/[a-z]+/g) ?? []
    )
      .slice(-3)
      .join(" ");
  }
};

function seed(type: number, value: Parameters<typeof create>[1]): Buffer {
  const schema = SCHEMAS[type] ?? ClusterSchema;
  return Buffer.concat([Buffer.of(type), toBinary(schema, create(schema, value))]);
}

const manager = create(httpConnectionManager.HttpConnectionManagerSchema, {
  statPrefix: "http",
  routeSpecifier: {
    case: "rds",
    value: { routeConfigName: "r", configSource: { configSourceSpecifier: { case: "ads", value: {} } } },
  },
});
const socket = {
  address: { case: "socketAddress", value: { address: "10.0.0.1", portSpecifier: { case: "portValue", value: 80 } } },
} as const;

export const targets: FuzzTargets = {
  envoy: {
    run: envoy,
    seeds: () => [
      seed(0, {
        name: "shop",
        connectTimeout: { seconds: 1n },
        loadAssignment: {
          clusterName: "shop",
          endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: "endpoint", value: { address: socket } } }] }],
        },
        outlierDetection: { consecutive5xx: 5 },
      }),
      seed(1, {
        name: "l",
        address: socket,
        filterChains: [
          {
            filters: [
              {
                name: "hcm",
                configType: {
                  case: "typedConfig",
                  value: anyPack(httpConnectionManager.HttpConnectionManagerSchema, manager),
                },
              },
            ],
          },
        ],
      }),
      seed(2, {
        name: "r",
        virtualHosts: [
          {
            name: "v",
            domains: ["*"],
            routes: [
              {
                match: { pathSpecifier: { case: "prefix", value: "/" } },
                action: { case: "directResponse", value: { status: 200 } },
              },
            ],
          },
        ],
      }),
    ],
    maxLength: 4096,
  },
  pattern: {
    run: pattern,
    seeds: () =>
      [
        "^(a|bc)*d{2,5}?$\nabcdd",
        "(?i:[[:alpha:]]\\d+\\.)[^x-z]\\pL\nAb1.qa",
        "\\Qa.b\\E+|^$\na.bbb",
        "(?P<n>.)\\bx\\B\ny x",
      ].map((text) => Buffer.from(text)),
    tokens: [
      "(?:",
      "(?i)",
      "{1000}",
      "[^",
      "[[:",
      ":]]",
      "\\p{Greek}",
      "\\x{10ffff}",
      "*?",
      "\\Q",
      "\\E",
      "|",
      "((((",
      "\u{1f511}",
    ],
    maxLength: 512,
  },
};
