// SPDX-License-Identifier: Apache-2.0
import type { MeshError } from "@ambientmesh/core";
import { describe, expect, it, test } from "vitest";
import {
  ReconnectPolicy,
  asStreamEnd,
  describeEnd,
  terminationReason,
  type StreamEnd,
} from "../../src/client/reconnect.ts";
import { GRPC_STATUS, xdsErrors } from "../../src/index.ts";

const ended = (status: number, message = ""): MeshError =>
  xdsErrors.create("XDS_STREAM_ENDED", message, { details: { status, message } });
const refused = xdsErrors.create("XDS_CONNECT_FAILED", "connection refused");
const unreadable = asStreamEnd(new Error("no such file"));

test.each<[string, StreamEnd, string]>([
  ["a clean end", undefined, "Complete"],
  ["no connection", refused, "ConnectionError"],
  ["Unknown", ended(GRPC_STATUS.UNKNOWN), "Reconnect"],
  ["Cancelled", ended(GRPC_STATUS.CANCELLED), "Reconnect"],
  ["DeadlineExceeded", ended(GRPC_STATUS.DEADLINE_EXCEEDED), "Reconnect"],
  ["a server that closes", ended(GRPC_STATUS.UNAVAILABLE, "error: transport is closing"), "Reconnect"],
  ["a server that went away", ended(GRPC_STATUS.UNAVAILABLE, "received prior goaway: code: NO_ERROR"), "Reconnect"],
  ["a connection that was dropped", ended(GRPC_STATUS.UNAVAILABLE, "Connection dropped"), "Reconnect"],
  ["a server that is not ready", ended(GRPC_STATUS.UNAVAILABLE, "starting"), "Error"],
  ["a refusal", ended(GRPC_STATUS.UNAUTHENTICATED), "Error"],
  ["too many streams", ended(GRPC_STATUS.RESOURCE_EXHAUSTED), "Error"],
  ["a file that can't be read", unreadable, "Error"],
])("%s counts as its reason", (_, end, reason) => expect(terminationReason(end)).toBe(reason));

describe("the reconnect policy", () => {
  const delays = (ends: readonly (readonly [StreamEnd, boolean])[]): number[] => {
    const policy = new ReconnectPolicy(() => 0.5);
    return ends.map(([end, wasUseful]) => policy.next(end, wasUseful).delayMs);
  };

  test.each<[string, readonly (readonly [StreamEnd, boolean])[], readonly number[]]>([
    [
      "doubles while nothing works",
      Array.from({ length: 12 }, () => [refused, false] as const),
      [20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 15_000, 15_000],
    ],
    [
      "is quick after a planned end of a useful stream",
      [
        [ended(GRPC_STATUS.CANCELLED), true],
        [undefined, true],
      ],
      [10, 0],
    ],
    [
      "is not quick when the stream was of no use",
      [
        [undefined, false],
        [ended(GRPC_STATUS.UNKNOWN), false],
        [undefined, false],
      ],
      [20, 40, 80],
    ],
    [
      "begins anew after a useful stream",
      [
        [refused, false],
        [refused, false],
        [ended(GRPC_STATUS.INTERNAL), true],
        [refused, false],
      ],
      [20, 40, 20, 40],
    ],
    [
      "does not spin on local errors",
      [
        [unreadable, false],
        [unreadable, false],
        [unreadable, false],
      ],
      [20, 40, 80],
    ],
  ])("%s", (_, ends, expected) => expect(delays(ends)).toEqual(expected));

  it("never waits longer than 15 s, whatever chance says", () => {
    const policy = new ReconnectPolicy(() => 0.999);
    const waits = Array.from({ length: 30 }, () => policy.next(refused, false).delayMs);
    expect(Math.max(...waits)).toBe(15_000);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(20);
  });
});

test("an end is described in words", () => {
  expect(describeEnd(undefined)).toBe("the server ended the stream");
  expect(describeEnd(unreadable)).toBe("no such file");
  expect(unreadable.code).toBe("XDS_LOCAL_FAILED");
});
