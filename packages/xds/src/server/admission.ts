// SPDX-License-Identifier: Apache-2.0
import { NodeSchema, type Node } from "@ambientmesh/api/discovery";
import { toBinary } from "@bufbuild/protobuf";
import type { Clock, Logger } from "@ambientmesh/core";
import type { Authenticate, Authorize } from "./hooks.ts";
import { GRPC_STATUS, type ServerStream, type StreamStatus } from "./server-stream.ts";
import type { StreamLimiter } from "./stream-limiter.ts";

/** What a stream has to pass before it is served. */
export interface AdmissionDeps<Identity> {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limiter: StreamLimiter | undefined;
  readonly authenticate: Authenticate<Identity>;
  readonly authorize: Authorize<Identity>;
  /** Why no stream is taken now, if so. */
  readonly closedBecause: () => string | undefined;
  readonly firstRequestTimeoutMs: number;
}

/** A stream whose client is known; reading is paused after the first request. */
export interface Admitted<Request, Identity> {
  readonly outcome: "admitted";
  readonly identity: Identity;
  readonly node: Node;
  readonly first: Request;
  /** Passes further requests to the receiver and resumes reading. */
  readonly forward: (receiver: (request: Request) => void) => void;
}

export interface Refused {
  readonly outcome: "refused";
  readonly status: StreamStatus;
}

// Envoy's nodes list their extensions and are some 20 KiB; far beyond that it is no node.
const MAX_NODE_BYTES = 256 * 1024;

/** Takes a new stream up to its first request. Never rejects. */
export async function admit<Request extends { readonly node?: Node | undefined }, Identity>(
  stream: ServerStream<Request>,
  deps: AdmissionDeps<Identity>,
): Promise<Admitted<Request, Identity> | Refused> {
  try {
    return (await beforeReading(stream, deps)) ?? (await authenticated(stream, deps));
  } catch (error) {
    if (stream.closed.aborted) return refused(GRPC_STATUS.CANCELLED, "the client gave up");
    deps.log.error("admitting a stream failed", { error, peer: stream.info.peerAddress });
    return refused(GRPC_STATUS.INTERNAL, "admitting the stream failed");
  }
}

async function beforeReading<Identity>(
  { closed }: { readonly closed: AbortSignal },
  { clock, limiter, closedBecause }: AdmissionDeps<Identity>,
): Promise<Refused | undefined> {
  const reason = closedBecause();
  if (reason !== undefined) return refused(GRPC_STATUS.UNAVAILABLE, reason);
  const waitMs = limiter ? limiter.reserve(clock.monotonicMs()) : 0;
  if (waitMs === undefined) return refused(GRPC_STATUS.RESOURCE_EXHAUSTED, "too many new streams, try again later");
  if (waitMs > 0) await clock.sleep(waitMs, closed);
  return undefined;
}

async function authenticated<Request extends { readonly node?: Node | undefined }, Identity>(
  stream: ServerStream<Request>,
  deps: AdmissionDeps<Identity>,
): Promise<Admitted<Request, Identity> | Refused> {
  const { peerAddress: peer } = stream.info;
  const caller = await deps.authenticate(stream.info, stream.closed);
  if (caller.outcome === "refused") {
    deps.log.warn("refusing a stream: not authenticated", { peer, reason: caller.reason });
    return refused(GRPC_STATUS.UNAUTHENTICATED, "authentication failure");
  }
  const { identity } = caller;
  const inbox = new Inbox(stream);
  const first = await inbox.first(deps.clock, deps.firstRequestTimeoutMs);
  const node = first?.node;
  if (!first) return refused(GRPC_STATUS.DEADLINE_EXCEEDED, "no request came");
  if (!node || node.id === "")
    return refused(GRPC_STATUS.INVALID_ARGUMENT, "the first request needs a node with an id");
  if (toBinary(NodeSchema, node).length > MAX_NODE_BYTES) {
    return refused(GRPC_STATUS.INVALID_ARGUMENT, `the node of a request is larger than ${MAX_NODE_BYTES} bytes`);
  }
  const verdict = await deps.authorize({ node, identity, peerAddress: peer }, stream.closed);
  if (verdict.outcome === "denied") {
    deps.log.warn("refusing a stream: not authorised", { peer, node: node.id, reason: verdict.reason });
    return refused(GRPC_STATUS.PERMISSION_DENIED, verdict.reason);
  }
  const forward = (receiver: (request: Request) => void): void => inbox.forward(receiver);
  return { outcome: "admitted", identity, node, first, forward };
}

function refused(code: number, message: string): Refused {
  return { outcome: "refused", status: { code, message } };
}

/** Reads one request and holds the others back until somebody takes them. */
class Inbox<Request> {
  readonly #stream: ServerStream<Request>;
  readonly #held: Request[] = [];
  #receiver: ((request: Request) => void) | undefined;

  constructor(stream: ServerStream<Request>) {
    this.#stream = stream;
  }

  /** Undefined if none comes in time, or the stream closes. */
  async first(clock: Clock, timeoutMs: number): Promise<Request | undefined> {
    const settled = Promise.withResolvers<void>();
    this.#stream.closed.addEventListener("abort", () => settled.resolve(), { once: true });
    using _timeout = clock.setTimer(timeoutMs, () => settled.resolve());
    this.#stream.start((request) => {
      if (this.#receiver) {
        this.#receiver(request);
        return;
      }
      this.#held.push(request);
      this.#stream.pause();
      settled.resolve();
    });
    await settled.promise;
    return this.#held.shift();
  }

  forward(receiver: (request: Request) => void): void {
    this.#receiver = receiver;
    for (const request of this.#held.splice(0)) receiver(request);
    this.#stream.resume();
  }
}
