// SPDX-License-Identifier: Apache-2.0
import { mutate, randomFrom, seedOf, type FuzzTarget } from "@ambientmesh/testkit";

const DEFAULT_MAX_LENGTH = 4096;
const BATCH = 200;
/** Outcomes beyond these, and inputs longer than this, are not worth changing further. */
const MAX_OUTCOMES = 1000;
const MAX_DISCOVERED_OCTETS = 1024;

/** When to stop, and where chance begins. */
export interface FuzzOptions {
  readonly seconds: number;
  readonly inputs: number;
  readonly seed: number;
}

/** Who watches a run. */
export interface FuzzObserver {
  /** Called before each input. */
  readonly taking: (input: Buffer) => void;
  /** Called now and then. */
  readonly progress: (done: number) => void;
}

/** What a run came to. */
export interface FuzzResult {
  readonly done: number;
  readonly seconds: number;
  /** Inputs that led to outcomes which no input before had. */
  readonly discovered: readonly Buffer[];
  readonly corpusSize: number;
}

/** The first failure of a target, with its input. */
export class FuzzFailure extends Error {
  readonly input: Buffer;

  constructor(input: Buffer, cause: unknown) {
    super(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause), { cause });
    this.input = input;
  }
}

/**
 * Takes every kept input, then changed ones until time or inputs are used up.
 * @throws FuzzFailure for the first input that fails.
 */
export async function fuzz(
  target: FuzzTarget,
  kept: Iterable<Buffer>,
  { seconds, inputs, seed }: FuzzOptions,
  observer: FuzzObserver,
): Promise<FuzzResult> {
  const corpus = [...kept, ...((await target.seeds?.()) ?? []).map((bytes) => Buffer.from(bytes))];
  if (corpus.length === 0) corpus.push(Buffer.alloc(0));
  const corpusSize = corpus.length;
  const outcomes = new Set<string>();
  for (const input of corpus) outcomes.add(String(await taken(target, input, observer)));
  const tokens = (target.tokens ?? []).map((token) => Buffer.from(token as string));
  const material = { corpus, tokens, maxLength: target.maxLength ?? DEFAULT_MAX_LENGTH };
  const random = randomFrom(seed);
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let done = 0;
  while (performance.now() < endsAt && done < inputs) {
    for (let index = 0; index < BATCH; index++) {
      const input = mutate(material, random);
      const outcome = taken(target, input, observer);
      const word = String(typeof outcome === "object" ? await outcome : outcome);
      if (outcomes.has(word) || outcomes.size >= MAX_OUTCOMES) continue;
      outcomes.add(word);
      if (input.length <= MAX_DISCOVERED_OCTETS) corpus.push(Buffer.from(input));
    }
    done += BATCH;
    observer.progress(done);
    // Callbacks belong to what is tested.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const discovered = corpus.slice(corpusSize);
  return { done, seconds: (performance.now() - startedAt) / 1000, discovered, corpusSize };
}

/** Hands an input over; how it is cut and answered follows from the input alone, so that it can be taken again. */
function taken(target: FuzzTarget, input: Buffer, observer: FuzzObserver): ReturnType<FuzzTarget["run"]> {
  observer.taking(input);
  try {
    const outcome = target.run(input, randomFrom(seedOf(input)));
    return outcome instanceof Promise
      ? outcome.catch((error: unknown) => {
          throw new FuzzFailure(input, error);
        })
      : outcome;
  } catch (error) {
    throw new FuzzFailure(input, error);
  }
}
