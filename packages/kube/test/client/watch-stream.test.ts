// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { ConfigMap } from "@ambientmesh/api/kubernetes";
import { isMeshError } from "@ambientmesh/core";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { watchStreamOf } from "../../src/client/watch-stream.ts";
import { configMap } from "../support/objects.ts";

async function read(chunks: readonly (string | Uint8Array)[]): Promise<readonly string[]> {
  const response = Readable.from(chunks.map((chunk) => Buffer.from(chunk))) as unknown as IncomingMessage;
  using stream = watchStreamOf<ConfigMap>(response, "watching configmaps");
  const seen: string[] = [];
  for await (const events of stream) {
    seen.push(
      ...events.map(
        (event) => `${event.type} ${event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.name}`,
      ),
    );
  }
  return seen;
}

const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

describe("watch streams", () => {
  const text =
    line("ADDED", configMap("ä", 1)) +
    line("BOOKMARK", { metadata: { resourceVersion: "9" } }) +
    line("DELETED", configMap("b", 2));

  it("are cut into events wherever the chunks end", async () => {
    const bytes = Buffer.from(text);
    const cuts = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 });
    const property = fc.asyncProperty(cuts, async (at) => {
      const ends = [0, ...at.toSorted((a, b) => a - b), bytes.length];
      const chunks = ends.slice(1).map((end, index) => bytes.subarray(ends[index], end));
      return (await read(chunks)).join() === "ADDED ä,BOOKMARK 9,DELETED b";
    });
    expect((await fc.check(property)).counterexample).toBeNull();
  });

  test.each([
    ["no JSON", "nonsense\n", "KUBE_RESPONSE_INVALID"],
    ["no object", "[]\n", "KUBE_RESPONSE_INVALID"],
    ["no metadata", line("ADDED", {}), "KUBE_RESPONSE_INVALID"],
    ["an unknown type", line("FROBBED", configMap("a", 1)), "KUBE_RESPONSE_INVALID"],
    [
      "an expired version",
      line("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" }),
      "KUBE_EXPIRED",
    ],
    ["a status without code", line("ERROR", { kind: "Status" }), "KUBE_INTERNAL"],
  ])("fail on %s", async (_what, bad, code) => {
    await expect(read([text, bad])).rejects.toMatchObject({ code });
  });

  it("leave out blank lines and an unfinished last one", async () => {
    expect(await read(["\n\n", line("ADDED", configMap("a", 1)), '{"type":"ADD'])).toEqual(["ADDED a"]);
  });

  it("bound a line", async () => {
    const megabyte = "x".repeat(1024 * 1024);
    await expect(read(Array.from({ length: 17 }, () => megabyte))).rejects.toMatchObject({
      code: "KUBE_RESPONSE_TOO_LARGE",
    });
  });

  it("give events or one of our errors, whatever the bytes", async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.json().map((json) => Buffer.from(`${json}\n`)),
    );
    const property = fc.asyncProperty(fc.array(bytes, { maxLength: 4 }), async (chunks) => {
      try {
        await read(chunks);
        return true;
      } catch (error) {
        return isMeshError(error) && error.code.startsWith("KUBE_");
      }
    });
    expect((await fc.check(property)).counterexample).toBeNull();
  });
});
