// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test, vi } from "vitest";
import { createMeshModel } from "../../src/model/mesh-model.ts";
import { OPTIONS, authorizationsOf, modelOf, parseObjects, policiesOf, put } from "../support/translate.ts";

const POD = "c1//Pod/shop/web";
const pod = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web, tier: front } }
spec: { containers: [] }
status: { podIP: 10.0.0.1 }
`;
const policy = (name: string, spec: string, metadata = ""): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop, ${metadata} }
spec: { ${spec} }
`;
const peer = (name: string, spec: string, metadata = ""): string => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z", ${metadata} }
spec: { ${spec} }
`;
const ROOT = "namespace: istio-system";
const join = (...documents: string[]): string => documents.join("---");

describe("an AuthorizationPolicy", () => {
  it("becomes a resource and a condition", () => {
    const model = modelOf(
      policy(
        "allow-front",
        `rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/front"], notIpBlocks: [10.0.0.0/8] } }], to: [{ operation: { ports: ["80"] } }] }]`,
      ),
    );
    expect(authorizationsOf(model)).toMatchInlineSnapshot(`
      {
        "shop/allow-front": {
          "groups": [
            {
              "rules": [
                {
                  "matches": [
                    {
                      "destinationPorts": [
                        80,
                      ],
                    },
                  ],
                },
                {
                  "matches": [
                    {
                      "notSourceIps": [
                        {
                          "address": "CgAAAA==",
                          "length": 8,
                        },
                      ],
                      "principals": [
                        {
                          "exact": "cluster.local/ns/shop/sa/front",
                        },
                      ],
                    },
                  ],
                },
              ],
            },
          ],
          "name": "allow-front",
          "namespace": "shop",
          "scope": "NAMESPACE",
        },
      }
    `);
    expect(model.policies.get("shop/allow-front")?.condition).toMatchObject({ status: "True", reason: "Accepted" });
  });

  test.each([
    ["without selector", policy("p", ""), "NAMESPACE", []],
    ["without selector in the root namespace", policy("p", "", ROOT), undefined, []],
    ["with a selector", policy("p", "selector: { matchLabels: { app: web } }"), "WORKLOAD_SELECTOR", ["shop/p"]],
    [
      "with a selector in the root namespace",
      policy("p", "selector: { matchLabels: { app: web } }", ROOT),
      "WORKLOAD_SELECTOR",
      ["istio-system/p"],
    ],
    ["with an empty selector", policy("p", "selector: {}"), "WORKLOAD_SELECTOR", ["shop/p"]],
    [
      "that selects others",
      policy("p", "selector: { matchLabels: { app: web, tier: back } }"),
      "WORKLOAD_SELECTOR",
      [],
    ],
    [
      "of another namespace",
      policy("p", "selector: { matchLabels: { app: web } }", "namespace: bank"),
      "WORKLOAD_SELECTOR",
      [],
    ],
  ])("%s", (_what, yaml, scope, attached) => {
    const model = modelOf(join(pod, yaml));
    const [resource] = Object.values(authorizationsOf(model)) as Record<string, unknown>[];
    expect(resource?.["scope"]).toBe(scope);
    expect(policiesOf(model, POD)).toEqual(attached);
  });

  test.each([
    ["with a target", "targetRefs: [{ kind: Service, name: web }]", undefined],
    ["that audits", "action: AUDIT", "False"],
    ["of a dry run", "", "False", "annotations: { istio.io/dry-run: 'true' }"],
  ])("%s is not sent", (_what, spec, status, metadata = "") => {
    const model = modelOf(policy("p", spec, metadata));
    expect(authorizationsOf(model)).toEqual({});
    expect(model.policies.get("shop/p")?.condition?.status).toBe(status);
  });

  it("of a dry run is sent where that is enabled", () => {
    const model = modelOf(policy("p", "", "annotations: { istio.io/dry-run: 'true' }"), { isDryRunSent: true });
    expect(authorizationsOf(model)).toMatchObject({ "shop/p": { dryRun: true } });
  });
});

describe("an object that bypassed validation", () => {
  function failing(yaml: string) {
    const onFailure = vi.fn();
    const model = createMeshModel(OPTIONS, onFailure);
    put(model, parseObjects(join(pod, yaml)));
    model.graph.settle();
    return { model, onFailure };
  }

  test.each([
    ["allow", policy("p", "rules: nonsense"), { scope: "NAMESPACE" }, "allows nothing"],
    [
      "allow by selector",
      policy("p", "rules: nonsense, selector: { matchLabels: { app: web } }"),
      { scope: "WORKLOAD_SELECTOR" },
      "allows nothing",
    ],
    [
      "deny",
      policy("p", "action: DENY, rules: nonsense"),
      { scope: "NAMESPACE", action: "DENY", groups: [{}] },
      "denies everything",
    ],
    ["an unknown action", policy("p", "action: BLOCK"), { scope: "NAMESPACE" }, "allows nothing"],
  ])("fails closed: %s", (_what, yaml, resource, treatment) => {
    const { model, onFailure } = failing(yaml);
    expect(authorizationsOf(model)).toEqual({ "shop/p": { name: "p", namespace: "shop", ...resource } });
    expect(model.policies.get("shop/p")?.condition).toMatchObject({
      status: "False",
      message: expect.stringContaining(treatment),
    });
    expect(onFailure).toHaveBeenCalledWith(expect.objectContaining({ collection: "policies", key: "shop/p" }));
  });

  test.each([
    ["action: BLOCK", "spec.action is no action"],
    ["selector: web", "spec.selector is no mapping"],
    ["selector: { matchLabels: [web] }", "spec.selector.matchLabels is no mapping"],
    ["targetRefs: {}", "spec.targetRefs is no list"],
    ["rules: [allow]", "spec.rules[0] is no mapping"],
    ["rules: [{ from: { source: {} } }]", "spec.rules[0].from is no list"],
    ["rules: [{}, { to: [{ operation: { ports: [80] } }] }]", "spec.rules[1].to[0].operation.ports[0] is no text"],
    ["rules: [{ from: [{ source: { principals: '*' } }] }]", "spec.rules[0].from[0].source.principals is no list"],
    ["rules: [{ when: [{ values: [a] }] }]", "spec.rules[0].when[0].key is no text"],
    ["rules: [{ when: [{ key: source.ip, notValues: a }] }]", "spec.rules[0].when[0].notValues is no list"],
  ])("names the field: %s", (spec, problem) => {
    const { model } = failing(policy("p", spec));
    expect(model.policies.get("shop/p")?.condition?.message).toBe(
      `The policy can't be read and allows nothing until it is corrected: ${problem}`,
    );
  });

  it("still selects by the labels that can be read", () => {
    const { model } = failing(policy("p", "rules: nonsense, selector: { matchLabels: { app: web, tier: 5 } }"));
    expect(policiesOf(model, POD)).toEqual(["shop/p"]);
  });

  test.each([
    ["with a mode that is none", "mtls: { mode: LOOSE }"],
    ["without a mapping", "mtls: [STRICT]"],
    ["with a label that is no text", "selector: { matchLabels: { app: 5 } }"],
    ["with a port setting that is none", "portLevelMtls: { 80: STRICT }"],
  ])("demands mutual TLS: a PeerAuthentication %s", (_what, spec) => {
    const { model, onFailure } = failing(peer("p", spec));
    expect(policiesOf(model, POD)).toEqual(["istio-system/istio_converted_static_strict"]);
    expect(onFailure).toHaveBeenCalledWith(
      expect.objectContaining({ collection: "peer authentications", key: "shop/p" }),
    );
  });
});

describe("PeerAuthentications", () => {
  const STATIC = "istio-system/istio_converted_static_strict";
  const selector = "selector: { matchLabels: { app: web } }";
  test.each<[string, string[], string[]]>([
    ["none", [], []],
    ["a permissive mesh", [peer("m", "mtls: { mode: PERMISSIVE }", ROOT)], []],
    ["a strict mesh", [peer("m", "mtls: { mode: STRICT }", ROOT)], [STATIC]],
    ["a strict namespace", [peer("n", "mtls: { mode: STRICT }")], [STATIC]],
    ["a strict workload", [peer("w", `mtls: { mode: STRICT }, ${selector}`)], [STATIC]],
    ["another strict workload", [peer("w", "mtls: { mode: STRICT }, selector: { matchLabels: { app: db } }")], []],
    [
      "an open namespace in a strict mesh",
      [peer("m", "mtls: { mode: STRICT }", ROOT), peer("n", "mtls: { mode: DISABLE }")],
      [],
    ],
    [
      "a namespace that inherits",
      [peer("m", "mtls: { mode: STRICT }", ROOT), peer("n", "mtls: { mode: UNSET }")],
      [STATIC],
    ],
    ["a selector in the root namespace", [peer("m", `mtls: { mode: STRICT }, ${selector}`, ROOT)], []],
    [
      "the oldest of two",
      [
        peer("a", "mtls: { mode: STRICT }"),
        peer("b", "mtls: { mode: PERMISSIVE }", 'creationTimestamp: "2025-01-01T00:00:00Z"'),
      ],
      [],
    ],
    [
      "an open port of a strict workload",
      [peer("w", `mtls: { mode: STRICT }, ${selector}, portLevelMtls: { 8080: { mode: PERMISSIVE } }`)],
      ["shop/converted_peer_authentication_w"],
    ],
    [
      "a strict port of a permissive workload in a strict mesh",
      [
        peer("m", "mtls: { mode: STRICT }", ROOT),
        peer("w", `mtls: { mode: PERMISSIVE }, ${selector}, portLevelMtls: { 8080: { mode: STRICT } }`),
      ],
      ["shop/converted_peer_authentication_w"],
    ],
    [
      "a disabled port of an inheriting workload in a strict mesh",
      [peer("m", "mtls: { mode: STRICT }", ROOT), peer("w", `${selector}, portLevelMtls: { 8080: { mode: DISABLE } }`)],
      ["shop/converted_peer_authentication_w"],
    ],
  ])("%s", (_what, peers, attached) => {
    const model = modelOf(join(pod, ...peers));
    expect(policiesOf(model, POD)).toEqual(attached);
    const names = Object.keys(authorizationsOf(model));
    expect(attached.filter((name) => !names.includes(name))).toEqual([]);
  });

  it("make the static policy appear with the first and go with the last", () => {
    const model = modelOf(peer("n", "mtls: { mode: PERMISSIVE }"));
    expect(Object.keys(authorizationsOf(model))).toEqual([STATIC]);
    model.sources.peerAuthentications.delete("shop/n");
    model.graph.settle();
    expect(authorizationsOf(model)).toEqual({});
  });

  it("come after the AuthorizationPolicies, which are sorted", () => {
    const some = ["z", "a"].map((name) => policy(name, "selector: { matchLabels: { app: web } }"));
    const mesh = policy("m", "selector: {}", ROOT);
    const model = modelOf(join(pod, ...some, mesh, peer("n", "mtls: { mode: STRICT }")));
    expect(policiesOf(model, POD)).toEqual(["istio-system/m", "shop/a", "shop/z", STATIC]);
  });
});
