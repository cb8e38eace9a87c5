// SPDX-License-Identifier: Apache-2.0

// A process full of clients: `clients.ts <address> <count>`. Reports to its parent when all are synced, and for each
// value of the resource "marker" when all have it.
import { NodeSchema } from "@ambientmesh/api/discovery";
import { systemClock } from "@ambientmesh/core";
import { create } from "@bufbuild/protobuf";
import { DeltaClient, GrpcTransport, deltaType } from "../src/index.ts";
import { BENCH_TYPE, type Report } from "./protocol.ts";

const [address = "", count = "0"] = process.argv.slice(2);
const total = Number(count);
const seen = new Map<string, number>();
const report = (message: Report): void => void process.send?.(message);

function note(value: string): void {
  const times = (seen.get(value) ?? 0) + 1;
  seen.set(value, times);
  if (times < total) return;
  seen.delete(value);
  report({ kind: "received", value });
}

function client(at: number): DeltaClient {
  const node = create(NodeSchema, { id: `ztunnel~10.0.0.1~z-${at}.istio-system~istio-system.svc.cluster.local` });
  const type = deltaType<string>({
    typeUrl: BENCH_TYPE,
    decode: (bytes, name) => (name === "marker" ? Buffer.from(bytes).toString() : ""),
    apply({ upserted }) {
      for (const { name, value } of upserted) if (name === "marker") note(value);
      return [];
    },
  });
  const transport = new GrpcTransport({ address, tls: "plaintext" });
  return new DeltaClient({ transport, clock: systemClock }, { node: () => node, types: [type] });
}

const clients = Array.from({ length: total }, (_, at) => client(at));
for (let at = 0; at < total; at += 50) await Promise.all(clients.slice(at, at + 50).map((each) => each.start()));
report({ kind: "synced" });
process.on("disconnect", () => process.exit(0));
