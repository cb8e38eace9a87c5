// SPDX-License-Identifier: Apache-2.0
import { ok, strictEqual } from "node:assert/strict";
import { openSync } from "node:fs";
import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { AddressSchema } from "@ambientmesh/api/workload";
import { WorkloadRequestSchema } from "@ambientmesh/api/zds";
import { connectionFacts } from "@ambientmesh/authz";
import { isMeshError, messageOf } from "@ambientmesh/core";
import { FakeClock, isProtobufError, sizeOf, type FuzzTarget, type FuzzTargets } from "@ambientmesh/testkit";
import type { ResourceChanges, ResourceType } from "@ambientmesh/xds";
import { addressType, policyType } from "../src/control/resource-types.ts";
import { FrameSplitter, frame } from "../src/dns/frames.ts";
import { aliasesOf, podSearchDomains, wildcardsOf } from "../src/dns/names.ts";
import { parseQuery } from "../src/dns/query.ts";
import { encodeAnswer, encodeFailure, encodeForwardFailure, isFailure, udpLimit } from "../src/dns/response.ts";
import { decodeRequest } from "../src/inpod/zds-messages.ts";
import { formatAuthority, ipFromBytes, parseAuthority } from "../src/net/address.ts";
import { encodeProxyHeader } from "../src/proxy/proxy-header.ts";
import { MeshState } from "../src/state/mesh-state.ts";

type Target = FuzzTarget["run"];

/** The reason without what was read. */
const words = (text: string): string => (text.match(/\b[a-z]+\b/gi) ?? []).slice(0, 4).join(" ");

/** What a reader throws that is allowed to: a typed error, or protobuf's own about broken bytes. */
function refusal(error: unknown): string {
  if (isMeshError(error)) return `${error.code} ${words(error.message)}`;
  if (!isProtobufError(error)) throw error;
  return `bytes: ${words(messageOf(error))}`;
}

const workload = (add: MessageInitShape<typeof WorkloadRequestSchema>["payload"]): Uint8Array =>
  toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload: add ?? { case: undefined } }));

/** With a namespace now and then, which must be closed or given on, never lost. */
const zds: Target = (input, random) => {
  const fds = random(50) === 0 ? [openSync("/proc/self/ns/net", "r")] : [];
  try {
    const request = decodeRequest({ data: input, fds });
    if (request.kind === "add") request.netns[Symbol.dispose]();
    return `${request.kind} ${fds.length}`;
  } catch (error) {
    return refusal(error);
  }
};

/** How many resources were rejected. */
function applied<T>(type: ResourceType<T>, changes: ResourceChanges<T>): number {
  const rejected = type.apply(changes);
  ok(Array.isArray(rejected), "the state is applied in one go");
  return rejected.length;
}

const NO_VERSION = { version: "1", aliases: [] };

/** The whole way of a resource: bytes, checked value, state, look-ups, and its removal, after which nothing is left. */
const address: Target = (input) => {
  const state = new MeshState({ clock: new FakeClock(0) }, { localNode: "n1" });
  const type = addressType(state);
  try {
    const value = type.decode(input, "any");
    sizeOf(value, 8192 + 64 * input.length);
    const name =
      value.kind === "workload" ? value.workload.uid : `${value.service.namespace}/${value.service.hostname}`;
    strictEqual(applied(type, { upserted: [{ ...NO_VERSION, name, value }], removed: [] }), 0);
    const ips = value.kind === "workload" ? value.workload.addresses : value.service.vips.map(({ ip }) => ip);
    const network = value.kind === "workload" ? value.workload.network : (value.service.vips[0]?.network ?? "");
    for (const ip of ips.slice(0, 1)) ok(state.find({ network, ip }) !== undefined, "what was applied is not found");
    applied(type, { upserted: [], removed: [name] });
    for (const ip of ips.slice(0, 1)) strictEqual(state.find({ network, ip }), undefined);
    return `${value.kind} ${Math.min(ips.length, 3)}`;
  } catch (error) {
    return refusal(error);
  }
};

const identity = { trustDomain: "cluster.local", namespace: "app", serviceAccount: "web" };
const facts = [undefined, identity].map((each) =>
  connectionFacts({ sourceIp: "10.0.0.1", destinationIp: "10.0.0.2", destinationPort: 80, identity: each }),
);

const authorization: Target = (input) => {
  const state = new MeshState({ clock: new FakeClock(0) }, { localNode: undefined });
  const type = policyType(state);
  try {
    const value = type.decode(input, "app/p");
    const rejected = applied(type, { upserted: [{ ...NO_VERSION, name: "app/p", value }], removed: [] }) > 0;
    strictEqual(rejected, value.problems.length > 0);
    return `${rejected} ${facts.map((each) => value.policy.matches(each)).join()}`;
  } catch (error) {
    return refusal(error);
  }
};

const rules = { namespace: "ns", domain: "cluster.local", searchDomains: podSearchDomains("ns", "cluster.local") };
const ADDRESSES = { 4: ["10.0.0.1", "10.0.0.2"], 6: ["fd00::1", "fd00::2"] } as const;

/** Where the records of an answer end, by their own lengths. */
function endOfRecords(answer: Buffer, questionEnd: number): number {
  let at = questionEnd;
  for (let left = answer.readUInt16BE(6) + answer.readUInt16BE(10); left > 0; left--) {
    // An owner is a pointer here, but the root in an OPT record.
    const head = at + (answer[at] === 0 ? 1 : 2);
    at = head + 10 + answer.readUInt16BE(head + 8);
  }
  return at;
}

const dnsQuery: Target = (input) => {
  const query = parseQuery(input);
  if (query.kind === "none") return query.kind;
  const failure = encodeForwardFailure(input);
  ok(isFailure(failure) && failure.readUInt16BE(0) === query.id);
  if (query.kind === "other") return `${query.kind} ${query.type === undefined}`;
  const { name, family, end, edns } = query;
  ok(end <= input.length && name.length < 255);
  const aliases = aliasesOf(name, rules);
  ok(aliases.length <= 40 && [...wildcardsOf(name)].length <= 129);
  const many = Array.from({ length: 60 }, () => ADDRESSES[family]).flat();
  const canonicalName = aliases.find(({ stripped }) => stripped !== undefined)?.stripped;
  for (const addresses of [ADDRESSES[family], many]) {
    const limit = udpLimit(query);
    const answer = encodeAnswer(input, query, { canonicalName, addresses }, limit);
    // A name that is written out once more may need more room than the smallest answer has.
    ok(answer.length <= Math.max(limit, 2 * end + 64), `an answer of ${answer.length} octets where ${limit} fit`);
    strictEqual(endOfRecords(answer, end), answer.length);
    ok(parseQuery(answer).kind === "none", "an answer reads like a question");
  }
  ok(isFailure(encodeFailure(input, query)));
  return `address ${family} ${edns === undefined} ${canonicalName === undefined} ${name.split(".").length}`;
};

/** Messages cut from a stream must be the same however it is cut. */
const dnsFrames: Target = (input, random) => {
  const whole = [...new FrameSplitter().push(input)].map((message) => Buffer.from(message));
  const splitter = new FrameSplitter();
  const cut: Buffer[] = [];
  for (let at = 0; at < input.length;) {
    const end = Math.min(input.length, at + 1 + random(40));
    for (const message of splitter.push(input.subarray(at, end))) cut.push(Buffer.from(message));
    at = end;
  }
  const framed = Buffer.concat(whole.map(frame));
  ok(framed.equals(Buffer.concat(cut.map(frame))) && framed.equals(input.subarray(0, framed.length)));
  return String(Math.min(whole.length, 5));
};

/** Reads what was written as the specification of PROXY protocol version 2 says (section 2.2). */
const proxyHeader: Target = (input, random) => {
  const ip = (at: number): string =>
    ipFromBytes(Buffer.concat([input, Buffer.alloc(40)]).subarray(at, at + (random(2) === 0 ? 4 : 16))) ?? "";
  const source = { ip: ip(0), port: random(65_536) };
  const destination = { ip: ip(16), port: random(65_536) };
  const text = input.subarray(32).toString("utf8").slice(0, 2000);
  const header = encodeProxyHeader({
    source,
    destination,
    identity: text,
    hostname: random(2) === 0 ? text : undefined,
  });
  strictEqual(header.subarray(0, 13).toString("latin1"), "\r\n\r\n\0\r\nQUIT\n!");
  strictEqual(header.readUInt16BE(14), header.length - 16);
  const width = header[13] === 0x11 ? 4 : 16;
  const read = [16, 16 + width].map((at) => ipFromBytes(header.subarray(at, at + width)));
  strictEqual(read.join(), [source.ip, destination.ip].join());
  const ports = 16 + 2 * width;
  strictEqual(
    [header.readUInt16BE(ports), header.readUInt16BE(ports + 2)].join(),
    `${source.port},${destination.port}`,
  );
  let records = 0;
  let at = ports + 4;
  for (; at < header.length; records++) at += 3 + header.readUInt16BE(at + 1);
  strictEqual(at, header.length);
  return `${width} ${records}`;
};

const authority: Target = (input) => {
  const parsed = parseAuthority(input.toString("latin1"));
  if (parsed === undefined) return "none";
  strictEqual(JSON.stringify(parseAuthority(formatAuthority(parsed))), JSON.stringify(parsed));
  return parsed.kind;
};

const workloadInfo = { name: "web-1", namespace: "app", serviceAccount: "web" };
const question = (name: string, type: number, additional = ""): Buffer =>
  Buffer.concat([
    Buffer.from(`12340100000100000000000${additional === "" ? 0 : 1}`, "hex"),
    ...name.split(".").map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])),
    Buffer.from(`0000${type.toString(16).padStart(2, "0")}0001${additional}`, "hex"),
  ]);

export const targets: FuzzTargets = {
  zds: {
    run: zds,
    seeds: () => [
      workload({ case: "add", value: { uid: "u1", workloadInfo } }),
      workload({ case: "keep", value: { uid: "u1" } }),
      workload({ case: "del", value: { uid: "u1" } }),
      workload({ case: "snapshotSent", value: {} }),
    ],
    // What the agent's socket reads at most.
    maxLength: 1024,
  },
  address: {
    run: address,
    seeds: () => [
      toBinary(
        AddressSchema,
        create(AddressSchema, {
          type: {
            case: "workload",
            value: {
              uid: "c//Pod/app/web-1",
              name: "web-1",
              namespace: "app",
              network: "n",
              node: "n1",
              addresses: [Uint8Array.of(10, 0, 0, 1), new Uint8Array(16).fill(1)],
              services: { "app/web.app.svc.cluster.local": { ports: [{ servicePort: 80, targetPort: 8080 }] } },
              waypoint: {
                destination: { case: "hostname", value: { namespace: "app", hostname: "w" } },
                hboneMtlsPort: 15_008,
              },
              authorizationPolicies: ["app/p"],
              locality: { region: "r", zone: "z" },
            },
          },
        }),
      ),
      toBinary(
        AddressSchema,
        create(AddressSchema, {
          type: {
            case: "service",
            value: {
              name: "web",
              namespace: "app",
              hostname: "web.app.svc.cluster.local",
              addresses: [{ network: "n", address: Uint8Array.of(10, 1, 0, 1) }],
              ports: [{ servicePort: 80, targetPort: 8080 }],
              subjectAltNames: ["spiffe://cluster.local/ns/app/sa/web"],
              loadBalancing: { routingPreference: [1, 2], mode: 2 },
            },
          },
        }),
      ),
    ],
  },
  authorization: {
    run: authorization,
    seeds: () => [
      toBinary(
        AuthorizationSchema,
        create(AuthorizationSchema, {
          name: "p",
          namespace: "app",
          groups: [
            {
              rules: [
                {
                  matches: [
                    { principals: [{ matchType: { case: "suffix", value: "/sa/web" } }], destinationPorts: [80] },
                  ],
                },
                { matches: [{ notNamespaces: [{ matchType: { case: "presence", value: {} } }] }] },
                { matches: [{ sourceIps: [{ address: Uint8Array.of(10, 0, 0, 0), length: 8 }] }] },
              ],
            },
          ],
        }),
      ),
    ],
    tokens: ["\n\u0001p\u0012\u0003app", "cluster.local/ns/app/sa/web"],
  },
  "dns-query": {
    run: dnsQuery,
    seeds: () => [
      question("web.app.svc.cluster.local", 1),
      question("web", 28),
      question("web.app.svc.cluster.local.ns.svc.cluster.local", 1, "00002904d0000000000000"),
      question("example.com", 15),
    ],
    tokens: ["\u0003web", "\u0003svc\u0007cluster\u0005local\0", Buffer.from("00010001", "hex")],
    maxLength: 2048,
  },
  "dns-frames": {
    run: dnsFrames,
    seeds: () => [frame(Buffer.from("one")), Buffer.concat([frame(Buffer.alloc(300)), frame(Buffer.from("x"))])],
  },
  "proxy-header": {
    run: proxyHeader,
    seeds: () => [Buffer.alloc(60, 7), Buffer.from("a mapped \u00ff\u00ff address")],
  },
  authority: {
    run: authority,
    seeds: () =>
      ["10.0.0.1:80", "[fd00::1]:443", "web.app.svc.cluster.local:8080", "*.a:1"].map((text) => Buffer.from(text)),
    tokens: ["[", "]:", "::ffff:", "1.2.3.4", ":65535", "%25"],
    maxLength: 512,
  },
};
