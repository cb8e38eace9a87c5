// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockPool } from "../../src/buffers/block-pool.ts";
import { ByteQueue } from "../../src/buffers/byte-queue.ts";

/** Memory behind everything in a queue, each block counted once. */
function memoryOf(queue: ByteQueue): number {
  const memory = new Set<ArrayBufferLike>();
  for (let block = queue.shift(); block !== undefined; block = queue.shift()) memory.add(block.buffer);
  return [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

const bytes = fc.uint8Array({ maxLength: 3000 }).map((octets) => Buffer.from(octets));
const operation = fc.oneof(
  fc.record({ kind: fc.constantFrom("push", "append"), bytes, margin: fc.nat({ max: 5000 }) }),
  fc.record({ kind: fc.constantFrom("shift") }),
  fc.record({ kind: fc.constantFrom("copyTo"), limit: fc.nat({ max: 4000 }) }),
);

describe("a byte queue", () => {
  it("gives back what went in, in order, however it is put in and taken out", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), fc.boolean(), (operations, isPooled) => {
        const queue = isPooled ? new ByteQueue(new BlockPool(65_536, 4)) : new ByteQueue();
        let expected = Buffer.alloc(0);
        for (const step of operations) {
          if ("bytes" in step) {
            const chunk = Buffer.concat([Buffer.alloc(step.margin), step.bytes]);
            if (step.kind === "push") queue.push(Buffer.from(step.bytes));
            else {
              queue.append(chunk, step.margin, chunk.length);
              chunk.fill(0xee);
            }
            expected = Buffer.concat([expected, step.bytes]);
          } else if ("limit" in step) {
            const target = Buffer.alloc(step.limit);
            const copied = queue.copyTo(target, 0, step.limit);
            expect(copied).toBe(Math.min(step.limit, expected.length));
            expect(target.subarray(0, copied).equals(expected.subarray(0, copied))).toBe(true);
            expected = expected.subarray(copied);
          } else {
            const block = queue.shift() ?? Buffer.alloc(0);
            expect(block.equals(expected.subarray(0, block.length))).toBe(true);
            expect(block.length > 0 || expected.length === 0).toBe(true);
            expected = expected.subarray(block.length);
          }
          expect(queue.length).toBe(expected.length);
        }
      }),
    );
  });

  it.each([
    [1, 20_000],
    [100, 2000],
    [9000, 100],
    [16_384, 50],
  ])("holds little more memory than its bytes when it is given pieces of %i octets out of large chunks", (size, count) => {
    const queue = new ByteQueue();
    for (let index = 0; index < count; index++) queue.append(Buffer.allocUnsafeSlow(16_384), 0, size);
    expect(queue.length).toBe(size * count);
    expect(memoryOf(queue)).toBeLessThanOrEqual(2 * size * count + 65_536);
  });

  it("holds few pieces for many crumbs", () => {
    const queue = new ByteQueue();
    for (let index = 0; index < 200_000; index++) queue.append(Buffer.from("abc"), 1, 2);
    let pieces = 0;
    while (queue.shift()) pieces++;
    expect(pieces).toBeLessThan(15);
  });
});
