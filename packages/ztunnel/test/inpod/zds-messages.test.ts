// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync, openSync } from "node:fs";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { WorkloadRequestSchema, WorkloadResponseSchema } from "@ambientmesh/api/zds";
import { isMeshError } from "@ambientmesh/core";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { decodeRequest, encodeAck, encodeHello } from "../../src/inpod/zds-messages.ts";
import { holds } from "../fixtures.ts";

type Payload = MessageInitShape<typeof WorkloadRequestSchema>["payload"];

const bytesOf = (payload: Payload): Buffer =>
  Buffer.from(toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, payload ? { payload } : {})));
const workloadInfo = { name: "web", namespace: "default", serviceAccount: "sa" };
const add = (uid = "u"): Buffer => bytesOf({ case: "add", value: { uid, workloadInfo } });
const netns = (): number => openSync("/proc/self/ns/net", "r");

function isOpen(fd: number): boolean {
  try {
    return fstatSync(fd).ino > 0;
  } catch {
    return false; // EBADF: closed
  }
}

it("writes what the agent expects, byte for byte", () => {
  expect(Buffer.from(encodeHello()).toString("hex")).toBe("0801");
  expect(Buffer.from(encodeAck("")).toString("hex")).toBe("0a00");
  expect(fromBinary(WorkloadResponseSchema, encodeAck("no"))).toMatchObject({ payload: { value: { error: "no" } } });
  expect(bytesOf({ case: "snapshotSent", value: {} }).toString("hex")).toBe("1a00");
});

describe("a request", () => {
  it("to add a pod comes with its namespace", () => {
    const request = decodeRequest({ data: add(), fds: [netns()] });
    expect(request).toMatchObject({ kind: "add", uid: "u", workload: workloadInfo });
    if (request.kind === "add") request.netns[Symbol.dispose]();
  });

  test.each([
    [bytesOf({ case: "keep", value: { uid: "u" } }), { kind: "keep", uid: "u" }],
    [bytesOf({ case: "del", value: { uid: "u" } }), { kind: "delete", uid: "u" }],
    [bytesOf({ case: "snapshotSent", value: {} }), { kind: "snapshot-sent" }],
  ])("%o is read", (data, expected) => expect(decodeRequest({ data, fds: [] })).toEqual(expected));

  test.each([
    ["nothing", bytesOf(undefined), 0, "says nothing"],
    ["an add without a descriptor", add(), 0, "0 descriptors"],
    ["an add with two", add(), 2, "2 descriptors"],
    ["an add without a name", bytesOf({ case: "add", value: { uid: "u" } }), 1, "lacks the workload's uid or name"],
    ["an add without a uid", add(""), 1, "lacks the workload's uid or name"],
    [
      "a delete with a descriptor",
      bytesOf({ case: "del", value: { uid: "u" } }),
      1,
      "delete came with a file descriptor",
    ],
    ["garbage", Buffer.from([0xff]), 1, "is not a WorkloadRequest"],
  ] as const)("that is %s is refused, and its descriptors are closed", (...[, data, count, problem]) => {
    const fds = Array.from({ length: count }, netns);
    expect(() => decodeRequest({ data, fds })).toThrow(problem);
    expect(fds.map(isOpen)).toEqual(fds.map(() => false));
  });

  it("with another file than a namespace is refused, and the file is closed", () => {
    const fd = openSync("/dev/null", "r");
    expect(() => decodeRequest({ data: add(), fds: [fd] })).toThrow("is no network namespace");
    expect(isOpen(fd)).toBe(false);
  });

  it("of any bytes is read or refused with an error of ours", () => {
    const isHandled = (bytes: Uint8Array, withFd: boolean): boolean => {
      const fds = withFd ? [netns()] : [];
      try {
        const request = decodeRequest({ data: Buffer.from(bytes), fds });
        if (request.kind === "add") request.netns[Symbol.dispose]();
        return true;
      } catch (error) {
        return isMeshError(error) && !fds.some(isOpen);
      } finally {
        for (const fd of fds) if (isOpen(fd)) closeSync(fd);
      }
    };
    expect(holds(fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), isHandled))).toBe(true);
  });
});
