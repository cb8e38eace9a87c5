// SPDX-License-Identifier: Apache-2.0
import type { Writable } from "node:stream";
import type { Downstream } from "./downstream.ts";
import type { HeaderList } from "./header-list.ts";

/** Where a body goes. */
export interface BodySink {
  readonly sink: Writable;
  readonly finish: (trailers: HeaderList | undefined) => void;
}

/** Hears of a body on its way. */
export interface RequestBodyEvents {
  readonly onData: (octets: number) => void;
  /** All of the request is here. */
  readonly onComplete: () => void;
}

/**
 * A request's body on its way to one upstream at a time. What went by is kept up to `limit` octets, so that the request can
 * be made again; a longer one can't. Nothing is read from the client faster than the upstream takes it.
 */
export class RequestBody {
  readonly #downstream: Downstream;
  readonly #events: RequestBodyEvents;
  readonly #limit: number;
  #kept: Buffer[] = [];
  #keptOctets = 0;
  #isKeeping: boolean;
  #isComplete: boolean;
  #target: BodySink | undefined;

  constructor(downstream: Downstream, limit: number, events: RequestBodyEvents) {
    this.#downstream = downstream;
    this.#events = events;
    this.#limit = limit;
    this.#isKeeping = limit > 0 || !downstream.hasBody;
    this.#isComplete = !downstream.hasBody;
    if (!downstream.hasBody) return;
    const { body } = downstream;
    body.on("data", (chunk: Buffer) => this.#take(chunk));
    body.on("end", () => this.#end());
    // The exchange hears of a broken request by its close.
    body.on("error", () => body.destroy());
    body.pause();
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** True while the request can be made again. */
  get isReplayable(): boolean {
    return this.#isKeeping;
  }

  /** The whole body, where it is complete and was kept. */
  get whole(): readonly Buffer[] | undefined {
    return this.#isComplete && this.#isKeeping ? this.#kept : undefined;
  }

  /** Sends the body, from its beginning, to where it goes from now on. */
  attach(target: BodySink): void {
    this.#target = target;
    for (const chunk of this.#kept) target.sink.write(chunk);
    if (this.#isComplete) target.finish(this.#downstream.trailers());
    else if (target.sink.writableNeedDrain) this.#waitFor(target);
    else this.#downstream.body.resume();
  }

  /** Stops sending; the rest waits at the client. */
  detach(): void {
    this.#target = undefined;
    if (!this.#isComplete) this.#downstream.body.pause();
  }

  /** Forgets what was kept: the request will not be made again. */
  forget(): void {
    this.#isKeeping = false;
    this.#kept = [];
  }

  #take(chunk: Buffer): void {
    this.#events.onData(chunk.length);
    if (this.#isKeeping) this.#keep(chunk);
    const target = this.#target;
    if (target?.sink.writable && !target.sink.write(chunk)) this.#waitFor(target);
  }

  #keep(chunk: Buffer): void {
    this.#keptOctets += chunk.length;
    if (this.#keptOctets > this.#limit) this.forget();
    else this.#kept.push(chunk);
  }

  #waitFor(target: BodySink): void {
    const { body } = this.#downstream;
    body.pause();
    target.sink.once("drain", () => {
      if (this.#target === target) body.resume();
    });
  }

  #end(): void {
    this.#isComplete = true;
    this.#target?.finish(this.#downstream.trailers());
    this.#events.onComplete();
  }
}
