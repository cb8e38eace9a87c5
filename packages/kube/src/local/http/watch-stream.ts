// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from "node:http";
import type { Clock } from "@ambientmesh/core";
import type { Json } from "../../json/json.ts";
import { statusOf } from "../../status/status.ts";
import type { PreparedWatch } from "./watch-handler.ts";

// Lines are gathered up to here before they are written.
const BATCH_BYTES = 64 * 1024;

/** What streams need of the server. */
export interface WatchStreamDeps {
  readonly clock: Clock;
  /** Aborts when the server stops. */
  readonly signal: AbortSignal;
  readonly bookmarkMs: number;
}

/**
 * Streams a watch as JSON lines until its time is over, the reader goes away or the server stops. A reader that is
 * slower than the changes is waited for; if it falls too far behind it is told to list again.
 */
export async function streamWatch(
  response: ServerResponse,
  watch: PreparedWatch,
  deps: WatchStreamDeps,
): Promise<void> {
  using _feed = watch.feed;
  const gone = new AbortController();
  const onGone = (): void => gone.abort();
  response.once("close", onGone);
  response.once("error", onGone);
  using _timeout = deps.clock.setTimer(watch.timeoutMs, onGone);
  using _bookmarks = watch.wantsBookmarks ? every(deps, () => watch.feed.bookmark()) : undefined;
  const signal = AbortSignal.any([gone.signal, deps.signal]);
  const writer = new LineWriter(response, signal);
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();
  try {
    await writeEvents(writer, watch, signal);
  } catch (error) {
    await writer.write({ type: "ERROR", object: statusOf(error).body as unknown as Json });
    await writer.flush();
  }
  response.end();
}

async function writeEvents(writer: LineWriter, watch: PreparedWatch, signal: AbortSignal): Promise<void> {
  for (const object of watch.initial) {
    await writer.write(watch.render({ type: "ADDED", object, resourceVersion: 0 }));
  }
  if (watch.initialEnd !== undefined) await writer.write({ type: "BOOKMARK", object: watch.initialEnd });
  while (!signal.aborted) {
    if (watch.feed.backlog === 0) await writer.flush();
    const event = await watch.feed.next(signal);
    if (event === undefined) return;
    await writer.write(watch.render(event));
  }
}

function every({ clock, bookmarkMs }: WatchStreamDeps, action: () => void): Disposable {
  let timer = clock.setTimer(bookmarkMs, tick, { background: true });
  function tick(): void {
    action();
    timer = clock.setTimer(bookmarkMs, tick, { background: true });
  }
  return { [Symbol.dispose]: () => timer.cancel() };
}

/** Writes JSON lines in batches, waiting whenever the socket asks to. */
class LineWriter {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  #pending = "";

  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response;
    this.#signal = signal;
  }

  async write(line: Json): Promise<void> {
    this.#pending += `${JSON.stringify(line)}\n`;
    if (this.#pending.length >= BATCH_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#pending === "" || this.#response.destroyed) return;
    const isFree = this.#response.write(this.#pending);
    this.#pending = "";
    if (isFree || this.#signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = (): void => resolve();
    this.#response.once("drain", done);
    this.#signal.addEventListener("abort", done, { once: true });
    await promise;
    this.#response.off("drain", done);
    this.#signal.removeEventListener("abort", done);
  }
}
