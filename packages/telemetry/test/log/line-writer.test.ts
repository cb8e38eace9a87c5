// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { type Clock } from "@ambientmesh/core";
import { createMetrics } from "../../src/index.ts";
import { LineWriter, type FileAccess } from "../../src/log/line-writer.ts";

type Done = (error: NodeJS.ErrnoException | null, written: number) => void;

/** A file whose writes end when the test says so. */
class FakeFile implements FileAccess {
  text = "";
  readonly writes: { text: string; done: Done }[] = [];
  syncError: NodeJS.ErrnoException | undefined;

  write(_fd: number, bytes: Uint8Array, done: Done): void {
    this.writes.push({ text: Buffer.from(bytes).toString(), done });
  }

  writeSync(_fd: number, bytes: Uint8Array): number {
    if (this.syncError) throw this.syncError;
    this.text += Buffer.from(bytes).toString();
    return bytes.length;
  }

  /** Ends the oldest write: everything, some bytes, or an error. */
  finish(result: number | string = Infinity): void {
    const { text, done } = this.writes.shift() as { text: string; done: Done };
    if (typeof result === "string") {
      done(Object.assign(new Error(result), { code: result }), 0);
      return;
    }
    const written = Buffer.from(text).subarray(0, result);
    this.text += written.toString();
    done(null, written.length);
  }
}

function setUp(limits: { maxQueuedLines?: number; maxQueuedBytes?: number; drainMs?: number } = {}) {
  const files = new FakeFile();
  const timers = new Map<() => void, number>();
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.reject(new Error("not used")),
    setTimer(delayMs, callback) {
      timers.set(callback, nowMs + delayMs);
      const cancel = (): void => void timers.delete(callback);
      return { cancel, [Symbol.dispose]: cancel };
    },
  };
  const advance = (ms: number): void => {
    nowMs += ms;
    for (const [callback, at] of timers) {
      if (at > nowMs) continue;
      timers.delete(callback);
      callback();
    }
  };
  const metrics = createMetrics();
  const writer = new LineWriter(
    { files, clock, metrics },
    { fd: 1, lostNotice: (lines) => `(${lines} lost)\n`, ...limits },
  );
  return { files, writer, metrics, advance };
}

it("writes one batch at a time and gathers what comes meanwhile", () => {
  const { files, writer } = setUp();
  expect(writer.write("a\n")).toBe(true);
  writer.write("b\n");
  writer.write("c\n");
  expect(files.writes.map(({ text }) => text)).toEqual(["a\n"]);
  files.finish();
  expect(files.writes.map(({ text }) => text)).toEqual(["b\nc\n"]);
  files.finish(3);
  expect(files.writes.map(({ text }) => text)).toEqual(["\n"]);
  files.finish();
  expect(files.text).toBe("a\nb\nc\n");
  expect(files.writes).toEqual([]);
});

it.each([{ maxQueuedLines: 2 }, { maxQueuedBytes: 4 }])(
  "with %o drops what does not fit, counts and says it",
  async (limits) => {
    const { files, writer, metrics } = setUp(limits);
    const taken = ["a\n", "b\n", "c\n", "d\n", "e\n"].map((line) => writer.write(line));
    expect(taken).toEqual([true, true, true, false, false]);
    expect(writer.dropped).toBe(2);
    expect(await metrics.render("prometheus")).toContain("ambientmesh_log_lines_dropped_total 2");
    files.finish();
    if (limits.maxQueuedLines === undefined) return;
    files.finish();
    files.finish();
    expect(files.text).toBe("a\nb\nc\n(2 lost)\n");
  },
);

it("announces losses before the next line", () => {
  const { files, writer } = setUp({ maxQueuedLines: 3 });
  for (let i = 0; i < 6; i++) writer.write(`${i}\n`);
  files.finish();
  writer.write("next\n");
  files.finish();
  files.finish();
  expect(files.text).toBe("0\n1\n2\n3\n(2 lost)\nnext\n");
});

it("tries again when the descriptor would block", () => {
  const { files, writer, advance } = setUp();
  writer.write("a\n");
  files.finish("EAGAIN");
  expect(files.writes).toEqual([]);
  advance(20);
  files.finish();
  expect(files.text).toBe("a\n");
  expect(writer.dropped).toBe(0);
});

it("counts lines an error took, goes on, and never glues a line to a cut one", () => {
  const { files, writer } = setUp();
  writer.write("whole\n");
  writer.write("b\n");
  files.finish(2);
  files.finish("ENOSPC");
  expect(writer.dropped).toBe(1);
  files.finish();
  expect(files.text).toBe("wh\nb\n(1 lost)\n");
});

it("takes nothing after it was disposed and waits for what is inside", async () => {
  const { files, writer } = setUp();
  writer.write("a\n");
  writer.write("b\n");
  const disposed = writer[Symbol.asyncDispose]();
  expect(writer.write("late\n")).toBe(false);
  files.finish();
  files.finish();
  await disposed;
  await writer[Symbol.asyncDispose]();
  expect(files.text).toBe("a\nb\n");
});

it("gives up on a reader that stands still instead of blocking the process", async () => {
  const { files, writer, advance } = setUp({ drainMs: 2000 });
  writer.write("a\n");
  writer.write("b\n");
  const disposed = writer[Symbol.asyncDispose]();
  advance(2000);
  await disposed;
  expect(files.text).toBe("");
  expect(writer.dropped).toBe(1);
});

it("flushes at once: the queue, and a batch that waits for its next try", () => {
  const { files, writer, advance } = setUp();
  writer.write("a\n");
  files.finish("EAGAIN");
  writer.write("b\n");
  writer.flushSync();
  expect(files.text).toBe("a\nb\n");
  advance(100);
  expect(files.writes).toEqual([]);
  writer.flushSync();
  expect(files.text).toBe("a\nb\n");
});

it.each(["EPIPE", "EAGAIN"])("a flush that meets %s ends and counts", (code) => {
  const { files, writer } = setUp();
  writer.write("a\n");
  writer.write("b\n");
  files.syncError = Object.assign(new Error(code), { code });
  writer.flushSync();
  expect(writer.dropped).toBe(1);
});
