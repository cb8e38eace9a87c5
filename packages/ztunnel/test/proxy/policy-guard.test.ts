// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { compileAuthorization, connectionFacts } from "@ambientmesh/authz";
import { createLogger, createMetrics, LogLevels, type LogRecord, type MetricsRegistry } from "@ambientmesh/telemetry";
import { FakeClock } from "@ambientmesh/testkit";
import { beforeEach, expect, it } from "vitest";
import { PolicyGuard } from "../../src/proxy/policy-guard.ts";
import type { MeshState } from "../../src/state/mesh-state.ts";
import { AccessLines } from "../../src/telemetry/access-lines.ts";
import { ConnectionBook, type Connection } from "../../src/telemetry/connections.ts";
import { PolicyMetrics } from "../../src/telemetry/policy-metrics.ts";
import { TrafficMetrics } from "../../src/telemetry/traffic-metrics.ts";
import { resourceOf, stateOf, workload } from "../fixtures.ts";

const web = workload("web", ["10.0.0.1"]);
const facts = (destinationPort = 80) =>
  connectionFacts({ sourceIp: "10.0.0.9", destinationIp: "10.0.0.1", destinationPort });
const ADDRESS = { ip: "10.0.0.1", port: 1 };

let state: MeshState;
let guard: PolicyGuard;
let book: ConnectionBook;
let records: LogRecord[];
let metrics: MetricsRegistry;

beforeEach(() => {
  state = stateOf(web);
  records = [];
  const output = { write: (record: LogRecord) => records.push(record) > 0 };
  const logger = createLogger({ output, levels: new LogLevels("info") }, { scope: "policy" });
  metrics = createMetrics();
  guard = new PolicyGuard({ state, logger, metrics: new PolicyMetrics(metrics) }, { isLoggedAsInfo: true });
  book = new ConnectionBook({
    clock: new FakeClock(),
    access: new AccessLines({ isEnabled: () => false, write: () => {} }),
    metrics: new TrafficMetrics(createMetrics()),
  });
});

function policy(name: string, rest: MessageInitShape<typeof AuthorizationSchema>): void {
  const source = create(AuthorizationSchema, {
    name,
    namespace: "default",
    scope: 1,
    action: 1,
    groups: [{}],
    ...rest,
  });
  state.applyPolicies([{ policy: compileAuthorization(source).policy, source }], []);
}

const begin = (): Connection => book.begin({ direction: "inbound", src: ADDRESS, wanted: ADDRESS });
const onPort = (port: number) => [{ rules: [{ matches: [{ destinationPorts: [port] }] }] }];

it("admits what nothing denies, and says why not otherwise", () => {
  const first = begin();
  expect(guard.admit(first, web, facts())).toBeUndefined();
  guard.release(first);
  policy("no", {});
  expect(guard.admit(begin(), web, facts())).toEqual({
    kind: "refuse",
    reason: "POLICY_DENIED",
    message: "connection closed due to policy rejection: explicitly denied by: default/no",
  });
  expect(records.map(({ message, fields }) => [message, Object.fromEntries(fields)["because"]])).toEqual([
    ["policy decision", "no allow policies"],
    ["policy decision", "explicitly denied by: default/no"],
  ]);
});

it("cuts those that a new policy no longer allows, once, and leaves the others", () => {
  const [kept, cut, released] = [begin(), begin(), begin()];
  guard.admit(kept, web, facts(80));
  guard.admit(cut, web, facts(81));
  guard.admit(released, web, facts(81));
  guard.release(released);
  policy("port", { groups: onPort(81) });
  expect([kept.signal.aborted, cut.signal.aborted, released.signal.aborted]).toEqual([false, true, false]);
  expect(cut.end).toMatchObject({ reason: "POLICY_CHANGED", endedBy: "proxy" });
  policy("other", { groups: onPort(82) });
  expect(kept.end).toBeUndefined();
});

it("judges again by the workload of now, when that changes", () => {
  const connection = begin();
  policy("chosen", { scope: 2 });
  guard.admit(connection, web, facts());
  state.applyAddresses([resourceOf(workload("other", ["10.0.0.2"]))], []);
  expect(connection.end).toBeUndefined();
  state.applyAddresses([resourceOf(workload("web", ["10.0.0.1"], { authorizationPolicies: ["default/chosen"] }))], []);
  expect(connection.end).toMatchObject({ reason: "POLICY_CHANGED" });
});

it("goes by the last known workload when that is removed", () => {
  const connection = begin();
  guard.admit(connection, web, facts());
  state.applyAddresses([], [web.uid]);
  expect(connection.end).toBeUndefined();
  policy("no", {});
  expect(connection.end).toMatchObject({ reason: "POLICY_CHANGED" });
});

it("tells of dry runs and of policies that nobody knows, and enforces neither", () => {
  policy("maybe", { dryRun: true });
  const named = workload("web", ["10.0.0.1"], { authorizationPolicies: ["default/gone"] });
  expect(guard.admit(begin(), named, facts())).toBeUndefined();
  expect(Object.fromEntries(records.at(-1)?.fields ?? [])).toMatchObject({
    allowed: true,
    dryRun: "deny default/maybe",
    allowedIfEnforced: false,
    unknownPolicies: "default/gone",
  });
});

it("hears of nothing any more once it is disposed", () => {
  const connection = begin();
  guard.admit(connection, web, facts());
  guard[Symbol.dispose]();
  policy("no", {});
  expect(connection.end).toBeUndefined();
});

it("counts what policies on trial would have done, and enforces none of them", async () => {
  const counted = async (): Promise<readonly string[]> =>
    (await metrics.render("prometheus"))
      .split("\n")
      .filter((line) => line.startsWith("ambientmesh_policy_dry_run_total{"));
  expect(guard.admit(begin(), web, facts())).toBeUndefined();
  expect(await counted()).toEqual([]);
  policy("trial", { dryRun: true, groups: onPort(80) });
  policy("grant", { dryRun: true, action: 0, groups: onPort(81) });
  for (const port of [80, 81, 81, 82]) expect(guard.admit(begin(), web, facts(port))).toBeUndefined();
  expect(await counted()).toEqual([
    'ambientmesh_policy_dry_run_total{policy="default/trial",action="deny",if_enforced="denied"} 1',
    'ambientmesh_policy_dry_run_total{policy="default/grant",action="allow",if_enforced="allowed"} 2',
    'ambientmesh_policy_dry_run_total{policy="none allowed",action="allow",if_enforced="denied"} 1',
  ]);
});
