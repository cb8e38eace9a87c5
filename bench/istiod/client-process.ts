// SPDX-License-Identifier: Apache-2.0
// Many node proxies in one process: fork(this file, [address, count, file with versions or ""]). It tells its parent when all
// are synced, and when each change has reached all of them.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from "@ambientmesh/api/discovery";
import { ADDRESS_TYPE_URL } from "@ambientmesh/api/workload";
import { DELTA_METHOD } from "@ambientmesh/xds";
import { ChannelCredentials, Client } from "@grpc/grpc-js";

/** From the child to its parent. Times are those of the monotonic clock, which all processes share, in ms. */
export type ClientMessage =
  | { readonly kind: "synced"; readonly ms: number; readonly bytes: number; readonly versions?: Record<string, string> }
  | { readonly kind: "change"; readonly marker: string; readonly at: readonly number[] };

const SYNC_IDLE_MS = 500;
const [address = "", countText = "1", claimsFile = ""] = process.argv.slice(2);
const count = Number(countText);
const claims = claimsFile === "" ? {} : (JSON.parse(readFileSync(claimsFile, "utf8")) as Record<string, string>);
// Nothing is sent to a client that has everything: without one resource there is an answer to wait for.
delete claims[Object.keys(claims)[0] ?? ""];
const tell = (message: ClientMessage): void => void process.send?.(message);
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Encoded once, as a thousand clients claim the same. */
const first = Buffer.from(
  toBinary(
    DeltaDiscoveryRequestSchema,
    create(DeltaDiscoveryRequestSchema, {
      typeUrl: ADDRESS_TYPE_URL,
      node: {
        id: "ztunnel~10.0.0.9~ztunnel-n1.istio-system~istio-system.svc.cluster.local",
        metadata: { NAMESPACE: "istio-system" },
      },
      initialResourceVersions: claims,
    }),
  ),
);

const arrivals = new Map<string, number[]>();
const startedAt = nowMs();
let bytes = 0;
let lastAt = startedAt;
const answered = new Set<number>();
const versions: Record<string, string> = {};
let isSynced = false;

function receive(client: number, raw: Buffer, acknowledge: (nonce: string) => void): void {
  const at = nowMs();
  const response = fromBinary(DeltaDiscoveryResponseSchema, raw);
  acknowledge(response.nonce);
  bytes += raw.length;
  lastAt = at;
  answered.add(client);
  if (!isSynced && claimsFile === "") for (const { name, version } of response.resources) versions[name] = version;
  if (!isSynced || response.resources.length > 200) return;
  for (const { resource } of response.resources) {
    const marker = /change-\d+/.exec(Buffer.from(resource?.value ?? []).toString("latin1"))?.[0];
    if (marker !== undefined) note(marker, at);
  }
}

function note(marker: string, at: number): void {
  const times = arrivals.get(marker) ?? [];
  arrivals.set(marker, times);
  if (times.push(at) < count) return;
  tell({ kind: "change", marker, at: times });
  arrivals.delete(marker);
}

for (let at = 0; at < count; at++) {
  const client = new Client(address, ChannelCredentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": 512 * 1024 * 1024,
  });
  const stream = client.makeBidiStreamRequest<Buffer, Buffer>(
    DELTA_METHOD.path,
    (buffer) => buffer,
    (buffer) => buffer,
  );
  stream.on("data", (raw: Buffer) =>
    receive(at, raw, (responseNonce) => {
      const ack = create(DeltaDiscoveryRequestSchema, { typeUrl: ADDRESS_TYPE_URL, responseNonce });
      stream.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, ack)));
    }),
  );
  stream.on("error", (error) => {
    console.error(`client ${at}: ${error.message}`);
    process.exit(1);
  });
  stream.write(first);
  // What a client claims takes istiod a while to read, and it has only so long to send its first request.
  await sleep(50);
}

const timer = setInterval(() => {
  if (isSynced || answered.size < count || nowMs() - lastAt < SYNC_IDLE_MS) return;
  isSynced = true;
  clearInterval(timer);
  tell({ kind: "synced", ms: lastAt - startedAt, bytes, ...(claimsFile === "" && { versions }) });
}, 50);
process.once("disconnect", () => process.exit(0));
