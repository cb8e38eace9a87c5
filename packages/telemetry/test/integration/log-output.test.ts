// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";

const index = new URL("../../src/index.ts", import.meta.url).href;

/** Runs a program whose stdout is a pipe, and reads all of it. */
async function run(program: string): Promise<string> {
  const child = spawn(
    process.execPath,
    ["--conditions=@ambientmesh/source", "--input-type=module", "--eval", `import * as t from "${index}"; ${program}`],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
    return output;
  } finally {
    child.kill("SIGKILL");
  }
}

it("brings every line through a pipe, in order, more than the pipe holds", async () => {
  const output = await run(`
    await using output = t.createLogOutput({}, { fd: 1, format: "json", maxQueuedLines: 50_000 });
    const logger = t.createLogger({ output }, { scope: "test" });
    for (let i = 0; i < 20_000; i++) logger.info("line", { i });
  `);
  const lines = output.trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { i: number }).i)).toEqual(
    Array.from({ length: 20_000 }, (_, i) => i),
  );
});

it("flushes when the process exits on its own", async () => {
  const output = await run(`
    const output = t.createLogOutput({}, { fd: 1, format: "plain" });
    const logger = t.createLogger({ output }, { scope: "test" });
    for (let i = 0; i < 100; i++) logger.error("last words", { i });
    process.exit(3);
  `);
  const numbers = [...output.matchAll(/i=(\d+)\n/g)].map((match) => Number(match[1]));
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});
