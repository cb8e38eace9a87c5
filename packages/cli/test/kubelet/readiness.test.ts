// SPDX-License-Identifier: Apache-2.0
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { listeningPorts, parseSocketTable, servesDeclaredPorts } from "../../src/local/kubelet/readiness.ts";

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 123 1 0 100 0 0 10 0
   1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 124 1 0 20 4 30 10 -1
   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
`;

describe("parseSocketTable", () => {
  it("has the ports of listening TCP sockets, in both IP versions", () => {
    expect(parseSocketTable(TABLE, false)).toEqual([8080, 80]);
  });

  it("has the ports of all UDP sockets", () => expect(parseSocketTable(TABLE, true)).toEqual([8080, 0xc001, 80]));

  it("takes any text", () => {
    assert(property(string(), (text) => parseSocketTable(text, true).every((port) => Number.isInteger(port))));
  });
});

it("sees the ports of this process's own network", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ports = [{ containerPort: port }];
  expect(listeningPorts(process.pid).tcp.has(port)).toBe(true);
  expect(servesDeclaredPorts({ name: "app", ports }, process.pid)).toBe(true);
  server.close();
  await once(server, "close");
  expect(servesDeclaredPorts({ name: "app", ports }, process.pid)).toBe(false);
});

it("does not wait for ports of containers that declare none, and finds none in a process that has ended", () => {
  expect(servesDeclaredPorts({ name: "app" }, process.pid)).toBe(true);
  expect(listeningPorts(2 ** 22 + 1).tcp.size).toBe(0);
});
