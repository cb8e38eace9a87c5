// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
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

type Operation = { kind: string; bytes?: Buffer; margin?: number; limit?: number };

/** Does the same to a queue and to a plain buffer, and notes whether they agree. */
function apply(queue: ByteQueue, model: { expected: Buffer; isRight: boolean }, step: Operation): void {
  const { kind, bytes = Buffer.alloc(0), margin = 0, limit = 0 } = step;
  const agree = (taken: Buffer): void => {
    model.isRight &&= taken.equals(model.expected.subarray(0, taken.length));
    model.expected = model.expected.subarray(taken.length);
  };
  if (kind === "copyTo") {
    const target = Buffer.alloc(limit);
    const copied = queue.copyTo(target, 0, limit);
    model.isRight &&= copied === Math.min(limit, model.expected.length);
    agree(target.subarray(0, copied));
  } else if (kind === "shift") {
    const piece = queue.shift();
    model.isRight &&= (piece === undefined) === (model.expected.length === 0);
    agree(piece ?? Buffer.alloc(0));
  } else {
    const chunk = Buffer.concat([Buffer.alloc(margin), bytes]);
    if (kind === "push") queue.push(Buffer.from(bytes));
    else queue.append(chunk, margin, chunk.length);
    // What was appended must have been copied.
    chunk.fill(0xee);
    model.expected = Buffer.concat([model.expected, bytes]);
  }
}

describe("a byte queue", () => {
  it("gives back what went in, in order, however it is put in and taken out", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), fc.boolean(), (operations, isPooled) => {
        const queue = isPooled ? new ByteQueue(new BlockPool(65_536, 4)) : new ByteQueue();
        const model = { expected: Buffer.alloc(0), isRight: true };
        for (const step of operations) {
          apply(queue, model, step);
          expect([model.isRight, queue.length]).toEqual([true, model.expected.length]);
        }
      }),
    );
  });

  it.each([
    [1, 20_000],
    [100, 2000],
    [9000, 100],
    [16_384, 50],
  ])(
    "holds little more memory than its bytes when it is given pieces of %i octets out of large chunks",
    (size, count) => {
      const queue = new ByteQueue();
      for (let index = 0; index < count; index++) queue.append(Buffer.allocUnsafeSlow(16_384), 0, size);
      expect(queue.length).toBe(size * count);
      expect(memoryOf(queue)).toBeLessThanOrEqual(2 * size * count + 65_536);
    },
  );

  it("holds few pieces for many crumbs", () => {
    const queue = new ByteQueue();
    for (let index = 0; index < 200_000; index++) queue.append(Buffer.from("abc"), 1, 2);
    let pieces = 0;
    while (queue.shift()) pieces++;
    expect(pieces).toBeLessThan(15);
  });
});
