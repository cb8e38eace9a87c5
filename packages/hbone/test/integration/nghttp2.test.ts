// SPDX-License-Identifier: Apache-2.0
/** Against the tools of nghttp2 (Debian: nghttp2-client), where they are installed. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { privateKeyPem, type Svid } from "@ambientmesh/spiffe";
import { describe, expect, it } from "vitest";
import { HboneServer } from "../../src/index.ts";
import { identities, listen, startServer } from "../support/mesh.ts";

const run = promisify(execFile);
const isInstalled = (tool: string): boolean => spawnSync(tool, ["--version"]).error === undefined;

function pemFiles(svid: Svid): { key: string; cert: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "hbone-nghttp2-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  writeFileSync(key, privateKeyPem(svid.privateKey));
  writeFileSync(cert, svid.certificateChain.map(({ pem }) => pem).join(""));
  return { key, cert, remove: () => rmSync(folder, { recursive: true }) };
}

describe.skipIf(!isInstalled("nghttp"))("nghttp", () => {
  it("gets its settings acknowledged and a GET refused with 400", async () => {
    await using server = await startServer(() => {});
    const files = pemFiles((await identities()).client);
    const { stdout } = await run("nghttp", [
      "-nv",
      "--cert",
      files.cert,
      "--key",
      files.key,
      `https://127.0.0.1:${server.port}/`,
    ]);
    files.remove();
    expect(stdout).toContain(":status: 400");
    expect(stdout).toMatch(/recv SETTINGS frame <length=0, flags=0x01/);
    expect(stdout).not.toMatch(/GOAWAY frame[^>]*>\s*\(last_stream_id=\d+, error_code=(?!NO_ERROR)/);
  });
});

describe.skipIf(!isInstalled("h2load"))("h2load", () => {
  it("has thousands of requests answered on few connections", async () => {
    // h2load knows no client certificates: it meets the server without TLS.
    const plain = new HboneServer({
      secure: async (raw) => ({ kind: "established", socket: raw, peer: { id: "spiffe://a" } as never }),
      onConnect: () => {},
    });
    const listener = await listen((socket) => plain.handle(socket, undefined));
    const { stdout } = await run("h2load", ["-n2000", "-c4", "-m50", `http://127.0.0.1:${listener.port}/`]);
    expect(stdout).toMatch(/requests: 2000 total, 2000 started, 2000 done/);
    expect(plain.stats().tunnelsRefusedTotal).toBe(2000);
    listener.close();
    await plain[Symbol.asyncDispose]();
  });
});
