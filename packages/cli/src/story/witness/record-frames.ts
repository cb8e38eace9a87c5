// SPDX-License-Identifier: Apache-2.0
// A small tcpdump for where that one can't run: in a user namespace it fails to give up the rights of root.
// Usage: record-frames DEVICE. Writes a capture of the interface, in this process's network namespace, to standard output.
import { once } from "node:events";
import { openPacketSocket } from "@ambientmesh/linux";
import { pcapHeader, pcapRecord } from "./pcap.ts";

const [device = ""] = process.argv.slice(2);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
using socket = openPacketSocket({ device });
process.stdout.write(pcapHeader());
process.stderr.write(`listening on ${device}\n`);
while (!stop.signal.aborted) {
  const frame = await socket.receive(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  if (frame !== undefined && !process.stdout.write(pcapRecord(frame, Date.now()))) await once(process.stdout, "drain");
}
