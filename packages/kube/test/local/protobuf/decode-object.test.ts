// SPDX-License-Identifier: Apache-2.0
import { isMeshError } from "@ambientmesh/core";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { decodeProtobufObject } from "../../../src/local/protobuf/decode-object.ts";

const varint = (value: bigint): readonly number[] =>
  value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];

const int = (number: number, value: number): Buffer =>
  Buffer.from([...varint(BigInt(number * 8)), ...varint(BigInt.asUintN(64, BigInt(value)))]);

const bytes = (number: number, ...content: readonly (string | Buffer)[]): Buffer => {
  const body = Buffer.concat(content.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([...varint(BigInt(number * 8 + 2)), ...varint(BigInt(body.length))]), body]);
};

const envelope = (apiVersion: string, kind: string, ...fields: readonly Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from("k8s\0", "latin1"),
    bytes(1, bytes(1, apiVersion), bytes(2, kind)),
    bytes(2, ...fields),
    bytes(3, ""),
    bytes(4, ""),
  ]);

const entry = (key: string, value: string | Buffer): Buffer => Buffer.concat([bytes(1, key), bytes(2, value)]);

// As Go writes it: every string that is no pointer, also the empty ones, and a zero time without fields.
const metadata = bytes(
  1,
  bytes(1, "a"),
  bytes(2, ""),
  bytes(3, "ns"),
  bytes(4, ""),
  bytes(5, ""),
  bytes(6, ""),
  int(7, 0),
  bytes(8),
  bytes(11, entry("app", "x")),
  bytes(11, entry("b", "")),
);

describe("Kubernetes' protobuf", () => {
  it("gives the JSON that Go gives, without empty fields", () => {
    const body = envelope(
      "v1",
      "ConfigMap",
      metadata,
      bytes(2, entry("k", "v")),
      bytes(2, entry("l", "w")),
      bytes(3, entry("bin", Buffer.from([1, 2]))),
    );
    expect(decodeProtobufObject(body)).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a", namespace: "ns", labels: { app: "x", b: "" } },
      data: { k: "v", l: "w" },
      binaryData: { bin: "AQI=" },
    });
  });

  it("knows times, counts, references and numbers below zero", () => {
    const time = Buffer.concat([int(1, 1_767_225_600), int(2, 123_456_789)]);
    const event = envelope(
      "v1",
      "Event",
      metadata,
      bytes(2, bytes(1, "Pod"), bytes(3, "p")),
      bytes(6, time),
      bytes(10, time),
      int(8, 5),
      bytes(9, "Normal"),
    );
    expect(decodeProtobufObject(event)).toMatchObject({
      involvedObject: { kind: "Pod", name: "p" },
      firstTimestamp: "2026-01-01T00:00:00Z",
      eventTime: "2026-01-01T00:00:00.123456Z",
      count: 5,
      type: "Normal",
    });
    const options = envelope("v1", "DeleteOptions", int(1, -1), bytes(4, "Background"));
    expect(decodeProtobufObject(options)).toMatchObject({ gracePeriodSeconds: -1, propagationPolicy: "Background" });
  });

  it("keeps empty values of pointers, lists, ports by name and number", () => {
    const port = (...target: readonly Buffer[]): Buffer => bytes(1, int(3, 80), bytes(4, ...target));
    const spec = bytes(
      2,
      port(int(1, 0), int(2, 8080), bytes(3, "")),
      port(int(1, 1), int(2, 0), bytes(3, "http")),
      bytes(18, "None"),
      int(12, 0),
    );
    expect(decodeProtobufObject(envelope("v1", "Service", metadata, spec))).toMatchObject({
      spec: {
        ports: [
          { port: 80, targetPort: 8080 },
          { port: 80, targetPort: "http" },
        ],
        clusterIPs: ["None"],
      },
    });
    expect(decodeProtobufObject(envelope("v1", "Secret", metadata, int(5, 0)))).toMatchObject({ immutable: false });
    expect(decodeProtobufObject(envelope("apps/v1", "Deployment", metadata, bytes(2, int(1, 0))))).toMatchObject({
      spec: { replicas: 0 },
    });
  });

  test.each([
    ["another magic", Buffer.from("{}"), "KUBE_BAD_REQUEST"],
    ["nothing", Buffer.alloc(0), "KUBE_BAD_REQUEST"],
    ["a broken envelope", Buffer.from("k8s\0\x0a\xff", "latin1"), "KUBE_BAD_REQUEST"],
    ["an unknown kind", envelope("v1", "Frob"), "KUBE_UNSUPPORTED_MEDIA_TYPE"],
    ["a kind of another version", envelope("v2", "Pod"), "KUBE_UNSUPPORTED_MEDIA_TYPE"],
    [
      "a field that only JSON has",
      envelope("v1", "Pod", metadata, bytes(2, bytes(18, bytes(1, "x")))),
      "KUBE_UNSUPPORTED_MEDIA_TYPE",
    ],
    ["text where a number is", envelope("v1", "Event", bytes(8, "x")), "KUBE_UNSUPPORTED_MEDIA_TYPE"],
    ["a number where text is", envelope("v1", "Secret", int(3, 1)), "KUBE_UNSUPPORTED_MEDIA_TYPE"],
    [
      "a wire type that is not used",
      envelope("v1", "Pod", Buffer.from([0x0d, 0, 0, 0, 0])),
      "KUBE_UNSUPPORTED_MEDIA_TYPE",
    ],
    ["an endless number", envelope("v1", "Pod", Buffer.alloc(20, 0xff)), "KUBE_UNSUPPORTED_MEDIA_TYPE"],
    ["a poisonous key", envelope("v1", "ConfigMap", metadata, bytes(2, entry("__proto__", "x"))), "KUBE_BAD_REQUEST"],
  ])("refuses %s", (_what, body, code) => {
    expect(() => decodeProtobufObject(body)).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("gives an object or one of our errors, whatever the bytes", () => {
    const good = envelope("v1", "ConfigMap", metadata, bytes(2, entry("k", "v")));
    const mutated = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
      const copy = Buffer.from(good);
      copy[at] = byte;
      return copy;
    });
    const inside = fc.uint8Array({ maxLength: 40 }).map((raw) => envelope("v1", "Pod", Buffer.from(raw)));
    const outside = fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.concat([Buffer.from("k8s\0", "latin1"), raw]));
    const property = fc.property(fc.oneof(mutated, inside, outside), (body) => {
      try {
        return typeof decodeProtobufObject(body) === "object";
      } catch (error) {
        return isMeshError(error, "KUBE_BAD_REQUEST") || isMeshError(error, "KUBE_UNSUPPORTED_MEDIA_TYPE");
      }
    });
    expect(fc.check(property, { numRuns: 3000 }).counterexample).toBeNull();
  });
});
