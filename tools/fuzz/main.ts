// SPDX-License-Identifier: Apache-2.0
// `npm run fuzz -- [--seconds 20] [--target hbone | frames | hbone/frames] [--inputs N] [--seed N] [--jobs N] [--keep] [--list]`:
// feeds changed inputs to everything that reads bytes from outside, each target in a process of its own.
// Ends with 1 when an input made a target fail, hang or grow; the input is added to the target's corpus.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { corpusOf, findTargets, isNamed, keptInputs, moduleOf } from "./discover.ts";
import { runTarget, type TargetReport } from "./run-target.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    inputs: { type: "string" },
    target: { type: "string" },
    jobs: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    keep: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    alone: { type: "boolean", default: false },
  },
});
const inputs = Number(values.inputs ?? Infinity);
const seconds = Number(values.seconds ?? (inputs === Infinity ? 20 : Infinity));
const options = { seconds, inputs, seed: Number(values.seed) };

/** Small inputs are read by people and change into more. */
const MAX_KEPT_OCTETS = 512;
const MAX_KEPT = 25;
const megabytes = (octets: number): string => `${Math.round(octets / 1e6)} MB`;

function keep(id: string, prefix: string, input: Uint8Array): string {
  const corpus = corpusOf(id);
  const file = join(corpus, `${prefix}-${createHash("sha256").update(input).digest("hex").slice(0, 12)}`);
  mkdirSync(corpus, { recursive: true });
  writeFileSync(file, input);
  return file;
}

function print(id: string, { done, seconds: took, corpusSize, discovered, rss }: TargetReport): void {
  const speed = Math.round(done / took).toLocaleString("en");
  const counts = `${done.toLocaleString("en").padStart(11)} inputs, ${speed.padStart(8)}/s`;
  const corpus = `corpus ${corpusSize}, ${discovered.length} new outcomes`;
  const memory = `RSS ${megabytes(rss.start)} at first, ${megabytes(rss.peak)} at most, ${megabytes(rss.end)} at last`;
  console.log(`${id.padEnd(24)} ${counts}; ${corpus}; ${memory}`);
}

async function runAlone(id: string): Promise<boolean> {
  const place = { module: moduleOf(id), name: id.split("/")[1] ?? "", kept: [...keptInputs(id).values()] };
  const report = await runTarget(place, options);
  if (report.failure) {
    const file = keep(id, "failed", report.failure.input);
    console.log(`${id}: FAILED with seed ${values.seed}: ${report.failure.message}\ninput kept as ${file}`);
    return false;
  }
  print(id, report);
  const small = report.discovered.filter(({ length }) => length <= MAX_KEPT_OCTETS);
  if (values.keep) for (const input of small.slice(0, MAX_KEPT)) keep(id, "found", input);
  return true;
}

/** Each target gets a fresh process, so that memory is its own. */
async function runInProcess(id: string): Promise<boolean> {
  const argv = process.argv.slice(2).filter((arg, at, all) => arg !== "--target" && all[at - 1] !== "--target");
  const script = [...process.execArgv, join(import.meta.dirname, "main.ts")];
  const own = ["--target", id, "--alone", "--seed", values.seed];
  const [code] = await once(spawn(process.execPath, [...script, ...argv, ...own], { stdio: "inherit" }), "exit");
  return code === 0;
}

async function runAll(): Promise<boolean> {
  const ids = (await findTargets()).map(({ id }) => id).filter((id) => isNamed(id, values.target));
  if (ids.length === 0) throw new Error(`no target is called ${values.target}; --list shows all`);
  if (values.list) {
    console.log(ids.join("\n"));
    return true;
  }
  const waiting = ids.values();
  const failed: string[] = [];
  const work = async (): Promise<void> => {
    for (const id of waiting) if (!(await runInProcess(id))) failed.push(id);
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs)) }, work));
  if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
  return failed.length === 0;
}

const isFine = values.alone ? await runAlone(values.target ?? "") : await runAll();
// A target may hold timers and sockets that nobody waits for.
process.exit(isFine ? 0 : 1);
