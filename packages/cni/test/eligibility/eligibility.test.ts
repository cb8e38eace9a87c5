// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import type { Namespace, Pod } from "@ambientmesh/api/kubernetes";
import { DEFAULT_SELECTORS, createEligibility, type EnablementSelector } from "../../src/index.ts";

type Labels = Readonly<Record<string, string>>;

const MODE = "istio.io/dataplane-mode";
const AMBIENT = { [MODE]: "ambient" };
const NONE = { [MODE]: "none" };

function podWith({
  labels = {},
  annotations = {},
  hostNetwork,
}: {
  readonly labels?: Labels;
  readonly annotations?: Labels;
  readonly hostNetwork?: boolean;
}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "shop", labels, annotations },
    spec: { containers: [], ...(hostNetwork !== undefined && { hostNetwork }) },
  };
}

function namespaceWith(labels: Labels, name = "shop"): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

describe("eligibility by the default selectors", () => {
  const judge = createEligibility({ selectors: DEFAULT_SELECTORS, excludedNamespaces: ["kube-system"] });

  test.each<[string, Parameters<typeof podWith>[0], Labels, string | undefined]>([
    ["nothing is labelled", {}, {}, "not-selected"],
    ["the namespace is labelled", {}, AMBIENT, undefined],
    ["the pod is labelled", { labels: AMBIENT }, {}, undefined],
    ["both are", { labels: AMBIENT }, AMBIENT, undefined],
    ["the pod opts out", { labels: NONE }, AMBIENT, "not-selected"],
    ["the pod opts out of nothing", { labels: NONE }, {}, "not-selected"],
    ["the pod opts in where the namespace opts out", { labels: AMBIENT }, NONE, undefined],
    ["the namespace has another mode", {}, { [MODE]: "sidecar" }, "not-selected"],
    ["the pod has another mode in a labelled namespace", { labels: { [MODE]: "other" } }, AMBIENT, undefined],
    ["the pod uses the node's network", { labels: AMBIENT, hostNetwork: true }, AMBIENT, "host-network"],
    ["the pod says that it does not", { hostNetwork: false }, AMBIENT, undefined],
    ["the pod has a sidecar", { annotations: { "sidecar.istio.io/status": "" } }, AMBIENT, "sidecar"],
    ["only an annotation says ambient", { annotations: AMBIENT }, {}, "not-selected"],
  ])("where %s", (_case, pod, labels, reason) => {
    const verdict = judge(podWith(pod), namespaceWith(labels));
    expect(verdict).toEqual(reason === undefined ? { isEligible: true } : { isEligible: false, reason });
  });

  it("never holds in an excluded namespace", () => {
    const verdict = judge(podWith({ labels: AMBIENT }), namespaceWith(AMBIENT, "kube-system"));
    expect(verdict).toEqual({ isEligible: false, reason: "excluded-namespace" });
  });
});

describe("eligibility by other selectors", () => {
  const team = { matchLabels: { team: "blue" } };
  const stage = { matchExpressions: [{ key: "stage", operator: "In" as const, values: ["test", "live"] }] };

  interface Case {
    readonly name: string;
    readonly selectors: readonly EnablementSelector[];
    readonly pod?: Labels;
    readonly namespace?: Labels;
    readonly isEligible: boolean;
  }
  const both = { podSelector: team, namespaceSelector: stage };
  const cases: readonly Case[] = [
    { name: "no selector", selectors: [], pod: AMBIENT, namespace: AMBIENT, isEligible: false },
    { name: "an empty selector", selectors: [{}], isEligible: true },
    { name: "both halves", selectors: [both], pod: { team: "blue" }, namespace: { stage: "live" }, isEligible: true },
    { name: "one half only", selectors: [both], pod: { team: "blue" }, namespace: { stage: "dev" }, isEligible: false },
    {
      name: "the second of two",
      selectors: [{ podSelector: team }, { namespaceSelector: stage }],
      namespace: { stage: "test" },
      isEligible: true,
    },
    { name: "an absent half", selectors: [{ podSelector: team }], pod: { team: "blue" }, isEligible: true },
  ];

  test.each(cases)("$name", ({ selectors, pod = {}, namespace = {}, isEligible }) => {
    const judge = createEligibility({ selectors, excludedNamespaces: [] });
    expect(judge(podWith({ labels: pod }), namespaceWith(namespace)).isEligible).toBe(isEligible);
  });
});
