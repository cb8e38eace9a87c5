// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { UpstreamCluster } from "../cluster/cluster.ts";
import type { RequestHead } from "../http/head.ts";
import type { Mirror } from "../route/forward.ts";
import { Attempt } from "./attempt.ts";

/** A request that is complete, to be sent elsewhere too. */
export interface Mirrored {
  readonly head: RequestHead;
  readonly body: readonly Buffer[];
  readonly timeoutMs: number | undefined;
}

/** Sends a copy of a request and forgets the answer, whatever it is. The authority says that it is a copy. */
export function sendMirror(
  cluster: UpstreamCluster,
  { hasHostSuffix }: Mirror,
  { head, body, timeoutMs }: Mirrored,
  { clock, ownAddress }: { readonly clock: Clock; readonly ownAddress: string },
): void {
  const host = cluster.choose();
  if (!host) return;
  const authority = hasHostSuffix ? head.authority.replace(/^([^:]+|\[.*\])/, "$1-shadow") : head.authority;
  const copy: RequestHead = { ...head, authority, headers: head.headers.clone() };
  const before = copy.headers.get("x-forwarded-for");
  copy.headers.set("x-forwarded-for", before === undefined ? ownAddress : `${before},${ownAddress}`);
  copy.headers.set("x-envoy-internal", "true");
  const attempt: Attempt = new Attempt(
    {
      cluster,
      host,
      protocol: cluster.protocolFor(head.protocol),
      breaker: cluster.breakers.default,
      head: copy,
      hasBody: body.length > 0,
      perTryTimeoutMs: timeoutMs,
      clock,
    },
    {
      onSent: ({ sink, finish }) => {
        for (const chunk of body) sink.write(chunk);
        finish(undefined);
      },
      onInformational: () => {},
      onResponse: ({ body: answer }) => {
        // Nobody waits for the answer; reading it to its end keeps the connection for others.
        answer.on("error", () => answer.destroy());
        answer.once("close", () => attempt.release());
        answer.resume();
      },
      onUpgrade: (_head, socket) => {
        attempt.release();
        socket.destroy();
      },
      onFailure: () => {},
    },
  );
  void attempt.start();
}
