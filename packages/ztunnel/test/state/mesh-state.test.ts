// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { compileAuthorization } from "@ambientmesh/authz";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { MeshState } from "../../src/state/mesh-state.ts";
import { resourceOf, service, stateOf, workload } from "../fixtures.ts";

const web = workload("web", ["10.0.0.1"]);
const name = { name: "web", namespace: "default", serviceAccount: "web" };

describe("waiting for the pod's workload", () => {
  it("ends at once if it is known", async () => {
    expect(await stateOf(web).waitForLocal(name, 5000)).toBe(web);
  });

  it("ends when it arrives, and leaves no timer behind", async () => {
    const clock = new FakeClock();
    const state = new MeshState({ clock }, { localNode: "node-a" });
    const waiting = [state.waitForLocal(name, 5000), state.waitForLocal(name, 5000)];
    state.applyAddresses([resourceOf(workload("other", ["10.0.0.2"]))], []);
    state.applyAddresses([resourceOf(web)], []);
    expect(await Promise.all(waiting)).toEqual([web, web]);
    expect(clock.timerCount).toBe(0);
  });

  it("ends empty-handed after its time", async () => {
    const clock = new FakeClock();
    const waiting = new MeshState({ clock }, { localNode: "node-a" }).waitForLocal(name, 5000);
    clock.advance(5000);
    expect(await waiting).toBeUndefined();
  });

  it("ends empty-handed when the connection is gone", async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const waiting = new MeshState({ clock }, { localNode: "node-a" }).waitForLocal(name, 5000, abort.signal);
    abort.abort();
    expect(await waiting).toBeUndefined();
    expect(clock.timerCount).toBe(0);
    expect(await stateOf().waitForLocal(name, 5000, abort.signal)).toBeUndefined();
  });
});

describe("a batch", () => {
  it("is told once, whole, with what was before", () => {
    const state = stateOf(web);
    const seen: unknown[] = [];
    using _listener = state.onWorkloads((changes) =>
      seen.push([changes.map(({ key, before, after }) => [key, before?.name, after?.name]), state.services.size]),
    );
    const moved = workload("web", ["10.0.0.9"]);
    state.applyAddresses([resourceOf(moved), resourceOf(workload("new", [])), resourceOf(service("s", []))], ["gone"]);
    state.applyAddresses([resourceOf(service("t", []))], []);
    state.applyAddresses([], [web.uid]);
    expect(seen).toEqual([
      [
        [
          [web.uid, "web", "web"],
          ["Kubernetes//Pod/default/new", undefined, "new"],
        ],
        1,
      ],
      [[[web.uid, "web", undefined]], 2],
    ]);
  });

  it("removes before it adds", () => {
    const state = stateOf(web);
    state.applyAddresses([resourceOf(web)], [web.uid]);
    expect(state.workloads.byUid(web.uid)).toBe(web);
  });

  it("finds a service before a workload at one address", () => {
    const both = service("both", ["10.0.0.1"]);
    expect(stateOf(web, both).find({ network: "", ip: "10.0.0.1" })).toMatchObject({
      kind: "service",
      entry: { service: both },
    });
    expect(stateOf(web).find({ network: "", ip: "10.0.0.1" })).toEqual({ kind: "workload", workload: web });
    expect(stateOf().find({ network: "", ip: "10.0.0.1" })).toBeUndefined();
  });

  it("of policies is told", () => {
    const state = stateOf();
    const source = create(AuthorizationSchema, { name: "p", namespace: "ns" });
    let told = 0;
    const listener = state.onPolicies(() => told++);
    state.applyPolicies([{ policy: compileAuthorization(source).policy, source }], []);
    listener[Symbol.dispose]();
    state.applyPolicies([], ["ns/p"]);
    expect([told, state.policies.size]).toEqual([1, 0]);
  });
});
