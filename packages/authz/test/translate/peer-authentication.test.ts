// SPDX-License-Identifier: Apache-2.0
import { toJson } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { MtlsMode, PeerAuthentication } from "@ambientmesh/api/istio";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import {
  PolicySet,
  compileAuthorization,
  translatePeerAuthentications,
  type SelectableWorkload,
} from "../../src/index.ts";
import { from } from "../support/connections.ts";

const options = { rootNamespace: "root" };

interface Options {
  readonly selector?: Record<string, string>;
  readonly ports?: Record<string, MtlsMode>;
  readonly age?: number;
}

/** "namespace/name" with a mode; `age` in days, older is more. */
function peer(key: string, mode?: MtlsMode, { selector, ports, age = 0 }: Options = {}): PeerAuthentication {
  const [namespace = "", name = ""] = key.split("/");
  const created = new Date(Date.UTC(2026, 5, 1) - age * 86_400_000);
  return {
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { namespace, name, creationTimestamp: created.toISOString() },
    spec: {
      ...(selector && { selector: { matchLabels: selector } }),
      ...(mode && { mtls: { mode } }),
      ...(ports && { portLevelMtls: Object.fromEntries(Object.entries(ports).map(([p, m]) => [p, { mode: m }])) }),
    },
  };
}

const web = { namespace: "app", labels: { app: "web" } };
const select = { selector: { app: "web" } };
const STATIC = "root/istio_converted_static_strict";
const CONVERTED = "app/converted_peer_authentication_w";

const strict = { notPrincipals: [{ presence: {} }] };
const except = (port: number) => ({ matches: [{ notDestinationPorts: [port] }] });
const on = (port: number) => ({ rules: [{ matches: [{ ...strict, destinationPorts: [port] }] }] });

describe("what is sent and attached", () => {
  test.each<[string, PeerAuthentication[], string[], unknown[] | undefined]>([
    ["mesh STRICT", [peer("root/m", "STRICT")], [STATIC], undefined],
    ["mesh PERMISSIVE", [peer("root/m", "PERMISSIVE")], [], undefined],
    ["mesh UNSET", [peer("root/m", "UNSET")], [], undefined],
    ["namespace over mesh", [peer("root/m", "STRICT"), peer("app/n", "DISABLE")], [], undefined],
    ["namespace UNSET inherits", [peer("root/m", "STRICT"), peer("app/n", "UNSET")], [STATIC], undefined],
    ["another namespace", [peer("other/n", "STRICT")], [], undefined],
    ["workload over namespace", [peer("app/n", "STRICT"), peer("app/w", "PERMISSIVE", select)], [], undefined],
    ["workload STRICT", [peer("app/w", "STRICT", select)], [STATIC], undefined],
    ["workload UNSET inherits", [peer("app/n", "STRICT"), peer("app/w", undefined, select)], [STATIC], undefined],
    ["other labels", [peer("app/w", "STRICT", { selector: { app: "db" } })], [], undefined],
    ["a selector in the root namespace selects nothing", [peer("root/w", "STRICT", select)], [], undefined],
    ["a selector without labels is the namespace", [peer("app/w", "STRICT", { selector: {} })], [STATIC], undefined],
    [
      "the oldest of the mesh",
      [peer("root/a", "PERMISSIVE"), peer("root/b", "STRICT", { age: 1 })],
      [STATIC],
      undefined,
    ],
    ["the oldest of the namespace", [peer("app/a", "STRICT"), peer("app/b", "PERMISSIVE", { age: 1 })], [], undefined],
    ["the first name of one age", [peer("app/b", "STRICT"), peer("app/a", "PERMISSIVE")], [], undefined],
    [
      "the oldest of those that select",
      [peer("app/a", "STRICT", { ...select, age: 2 }), peer("app/w", "PERMISSIVE", { ...select, age: 1 })],
      [STATIC],
      undefined,
    ],
    [
      "STRICT with PERMISSIVE and DISABLE ports",
      [peer("app/w", "STRICT", { ...select, ports: { "9000": "PERMISSIVE", "80": "DISABLE", "81": "STRICT" } })],
      [CONVERTED],
      [{ rules: [{ matches: [strict] }, except(80), except(9000)] }],
    ],
    [
      "PERMISSIVE with STRICT ports",
      [peer("app/w", "PERMISSIVE", { ...select, ports: { "9000": "STRICT", "80": "STRICT", "81": "UNSET" } })],
      [CONVERTED],
      [on(80), on(9000)],
    ],
    [
      "STRICT with STRICT ports",
      [peer("app/w", "STRICT", { ...select, ports: { "80": "STRICT" } })],
      [STATIC],
      undefined,
    ],
    [
      "PERMISSIVE with DISABLE ports",
      [peer("app/w", "PERMISSIVE", { ...select, ports: { "80": "DISABLE" } })],
      [],
      undefined,
    ],
    [
      "inherited STRICT with a PERMISSIVE port",
      [peer("app/n", "STRICT"), peer("app/w", "UNSET", { ...select, ports: { "80": "PERMISSIVE" } })],
      [CONVERTED],
      [{ rules: [except(80), { matches: [strict] }] }],
    ],
    [
      "inherited STRICT with a DISABLE port (not attached by Istio 1.31)",
      [peer("root/m", "STRICT"), peer("app/w", undefined, { ...select, ports: { "80": "DISABLE" } })],
      [CONVERTED],
      [{ rules: [except(80), { matches: [strict] }] }],
    ],
    [
      "mesh STRICT, no namespace, workload PERMISSIVE with a STRICT port (left open by Istio 1.31)",
      [peer("root/m", "STRICT"), peer("app/w", "PERMISSIVE", { ...select, ports: { "80": "STRICT" } })],
      [CONVERTED],
      [on(80)],
    ],
    [
      "several STRICT ports are alternatives (istio/istio issue 54146)",
      [peer("app/w", undefined, { ...select, ports: { "80": "STRICT", "81": "STRICT" } })],
      [CONVERTED],
      [on(80), on(81)],
    ],
    ["ports without selector", [peer("app/n", "PERMISSIVE", { ports: { "80": "STRICT" } })], [], undefined],
    [
      "ports that are none",
      [peer("app/w", "STRICT", { ...select, ports: { "0": "DISABLE", http: "DISABLE" } })],
      [STATIC],
      undefined,
    ],
  ])("%s", (_name, objects, names, groups) => {
    const translated = translatePeerAuthentications(objects, options);
    expect(translated.namesFor(web)).toEqual(names);
    const [first, ...converted] = translated.authorizations.map((message) => toJson(AuthorizationSchema, message));
    expect(first).toEqual({
      name: "istio_converted_static_strict",
      namespace: "root",
      scope: "WORKLOAD_SELECTOR",
      action: "DENY",
      groups: [{ rules: [{ matches: [strict] }] }],
    });
    const name = "converted_peer_authentication_w";
    const expected = { name, namespace: "app", scope: "WORKLOAD_SELECTOR", action: "DENY", groups };
    expect(converted).toEqual(groups === undefined ? [] : [expected]);
  });

  it("is nothing without any object", () => {
    const translated = translatePeerAuthentications([], options);
    expect(translated.authorizations).toEqual([]);
    expect(translated.namesFor(web)).toEqual([]);
    expect(translated.effectiveFor(web)).toEqual({ mode: "PERMISSIVE", ports: new Map() });
  });

  it("says which object decides", () => {
    const translated = translatePeerAuthentications(
      [peer("root/m", "STRICT"), peer("app/w", "PERMISSIVE", { ...select, ports: { "80": "STRICT" } })],
      options,
    );
    expect(translated.effectiveFor(web)).toEqual({
      mode: "PERMISSIVE",
      ports: new Map([[80, "STRICT"]]),
      decidedBy: "app/w",
    });
    expect(translated.effectiveFor({ namespace: "elsewhere", labels: {} }).decidedBy).toBe("root/m");
  });

  it("takes a mode it does not know as the strictest", () => {
    const translated = translatePeerAuthentications([peer("app/n", "MAYBE" as MtlsMode)], options);
    expect(translated.namesFor(web)).toEqual([STATIC]);
  });
});

/**
 * Is plaintext to this port refused? Written from the documented meaning alone: walk up from the port to the mesh and
 * stop at the first mode that is set.
 */
function oracle(
  objects: readonly PeerAuthentication[],
  { namespace, labels }: SelectableWorkload,
  port: number,
): boolean {
  const oldest = (candidates: PeerAuthentication[]): PeerAuthentication | undefined =>
    candidates.reduce<PeerAuthentication | undefined>((best, next) => {
      if (!best) return next;
      const [a, b] = [best, next].map(({ metadata }) => [metadata.creationTimestamp ?? "", metadata.name].join(" "));
      return (b as string) < (a as string) ? next : best;
    }, undefined);
  const inNamespace = (namespace: string) => objects.filter(({ metadata }) => metadata.namespace === namespace);
  const whole = ({ spec }: PeerAuthentication): boolean => spec?.selector === undefined;
  const workload = oldest(
    inNamespace(namespace).filter((object) => {
      if (namespace === "root") return false;
      const wanted = object.spec?.selector?.matchLabels;
      return wanted !== undefined && Object.entries(wanted).every(([key, value]) => labels[key] === value);
    }),
  );
  const modes = [
    workload?.spec?.portLevelMtls?.[String(port)]?.mode,
    workload?.spec?.mtls?.mode,
    oldest(inNamespace(namespace).filter(whole))?.spec?.mtls?.mode,
    oldest(inNamespace("root").filter(whole))?.spec?.mtls?.mode,
  ];
  return modes.find((mode) => mode !== undefined && mode !== "UNSET") === "STRICT";
}

test("every merge lets plaintext in exactly where the documented meaning does, and mTLS everywhere", () => {
  const mode = fc.constantFrom<MtlsMode | undefined>("UNSET", "DISABLE", "PERMISSIVE", "STRICT", undefined);
  const ports = fc.dictionary(
    fc.constantFrom("80", "81", "8080"),
    mode.map((m) => m ?? "UNSET"),
    { maxKeys: 3 },
  );
  const object = fc
    .record({
      namespace: fc.constantFrom("root", "app", "app", "other"),
      selector: fc.option(fc.constantFrom({ app: "web" }, { app: "web", tier: "x" }, { app: "db" }), {
        nil: undefined,
      }),
      mode,
      ports,
      age: fc.nat(2),
    })
    .map(
      (o) => (index: number) =>
        peer(`${o.namespace}/p${index}`, o.mode, {
          age: o.age,
          ...(o.selector && { selector: o.selector, ports: o.ports }),
        }),
    );
  const labels = fc.constantFrom(
    { app: "web" },
    { app: "web", tier: "x" },
    { app: "db" },
    {} as Record<string, string>,
  );
  const world = fc.array(object, { maxLength: 8 }).map((makers) => makers.map((make, index) => make(index)));
  fc.assert(
    fc.property(world, labels, fc.constantFrom("app", "app", "root"), (objects, workloadLabels, namespace) => {
      const translated = translatePeerAuthentications(objects, options);
      const set = new PolicySet();
      for (const message of translated.authorizations) {
        const { policy, problems } = compileAuthorization(message);
        expect(problems).toEqual([]);
        set.set(policy);
      }
      const workload = { namespace, labels: workloadLabels };
      const target = { namespace, policyNames: translated.namesFor(workload) };
      expect(set.missing(target)).toEqual([]);
      const effective = translated.effectiveFor(workload);
      for (const destinationPort of [80, 81, 8080, 9999]) {
        const isStrict = oracle(objects, workload, destinationPort);
        expect(set.evaluate(target, from(undefined, { destinationPort })).allowed).toBe(!isStrict);
        expect(set.evaluate(target, from("any/one", { destinationPort })).allowed).toBe(true);
        expect((effective.ports.get(destinationPort) ?? effective.mode) === "STRICT").toBe(isStrict);
      }
    }),
    { numRuns: 1000 },
  );
});
