// SPDX-License-Identifier: Apache-2.0
/**
 * Feeds changed inputs to everything that reads foreign bytes, and ends with 1 when something goes wrong:
 *
 *     node --conditions=@ambientmesh/source packages/hbone/fuzz/run.ts [--seconds 20] [--target server] [--seed 1] [--inputs 10000000]
 *
 * `--seconds` are per target; `--inputs` ends a target earlier. An input that fails is added to the corpus.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mutate, randomFrom } from "./mutate.ts";
import { targets, type Target } from "./targets.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    target: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    inputs: { type: "string", default: "Infinity" },
  },
});
const CORPUS = join(import.meta.dirname, "corpus");
const BATCH = 500;
const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const megabytes = (octets: number): string => `${Math.round(octets / 1e6)} MB`;

/** One turn of the event loop: lets callbacks run, which belong to what is tested. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function corpusOf(name: string): Buffer[] {
  const folder = join(CORPUS, name);
  return readdirSync(folder).map((file) => readFileSync(join(folder, file)));
}

function attempt(name: string, target: Target, input: Buffer, seed: number): void {
  try {
    target(input, randomFrom(seed));
  } catch (error) {
    const folder = join(CORPUS, name);
    const file = join(folder, `failed-${createHash("sha256").update(input).digest("hex").slice(0, 12)}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, input);
    print(`${name}: failed with seed ${seed}, input kept as ${file}`);
    throw error;
  }
}

async function fuzz(name: string, target: Target): Promise<void> {
  const corpus = corpusOf(name);
  const random = randomFrom(Number(values.seed));
  for (const input of corpus) attempt(name, target, input, 1);
  const startedAt = performance.now();
  const endsAt = startedAt + Number(values.seconds) * 1000;
  const before = process.memoryUsage();
  let done = 0;
  let peak = 0;
  while (performance.now() < endsAt && done < Number(values.inputs)) {
    for (let index = 0; index < BATCH; index++) attempt(name, target, mutate(corpus, random), random(2 ** 31));
    done += BATCH;
    peak = Math.max(peak, process.memoryUsage.rss());
    await turn();
  }
  const perSecond = Math.round((done / (performance.now() - startedAt)) * 1000);
  const after = process.memoryUsage();
  const memory = `heap ${megabytes(before.heapUsed)} to ${megabytes(after.heapUsed)}, RSS at most ${megabytes(peak)}`;
  print(`${name}: ${done} inputs from ${corpus.length} seeds, ${perSecond}/s, ${memory}`);
}

print(`seed ${values.seed}`);
for (const [name, target] of Object.entries(targets)) {
  if ((values.target ?? name) === name) await fuzz(name, target);
}
