// SPDX-License-Identifier: Apache-2.0
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createIntermediate, createRoot } from "@ambientmesh/ca";
import { createTestAuthority, type TestAuthority } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import {
  acceptTls,
  connectTls,
  createCsr,
  parseSpiffeId,
  privateKeyPem,
  trustBundlePem,
  type Svid,
} from "../../src/index.ts";
import { Wire } from "./tls-peers.ts";

// The openssl program as a witness that is not ours. Needs `openssl` on the PATH; the tests say that they were skipped without it.
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const run = promisify(execFile);

const WEB = "spiffe://cluster.local/ns/default/sa/web";
const API = "spiffe://cluster.local/ns/default/sa/api";
let folder: string;
let direct: TestAuthority;
let below: TestAuthority;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "spiffe-openssl-"));
  direct = await createTestAuthority();
  const root = await createRoot("cluster.local", { keyType: "ecdsa-p256" });
  below = await createTestAuthority({ material: await createIntermediate(root, "i", { keyType: "ecdsa-p256" }) });
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

/** The SVID as files, for the command line. */
async function filesOf(name: string, svid: Svid): Promise<{ chain: string; key: string; roots: string }> {
  const [chain, key, roots] = ["chain", "key", "roots"].map((kind) => join(folder, `${name}-${kind}.pem`)) as [
    string,
    string,
    string,
  ];
  await writeFile(chain, svid.certificateChain.map(({ pem }) => pem).join(""));
  await writeFile(key, privateKeyPem(svid.privateKey));
  await writeFile(roots, trustBundlePem(svid.trustBundle));
  return { chain, key, roots };
}

const credentials = ({ chain, key, roots }: { chain: string; key: string; roots: string }): string[] => [
  "-CAfile",
  roots,
  "-cert",
  chain,
  "-cert_chain",
  chain,
  "-key",
  key,
];

describe.skipIf(!hasOpenssl)("openssl", () => {
  it("reads our requests and finds them well signed", async () => {
    const { csrPem } = await createCsr({ id: parseSpiffeId(WEB) });
    const path = join(folder, "request.pem");
    await writeFile(path, csrPem);
    const { stdout, stderr } = await run("openssl", ["req", "-in", path, "-noout", "-verify", "-text"]);
    expect(stderr + stdout).toMatch(/self-signature verify OK/i);
    expect(stdout).toMatch(new RegExp(`Subject Alternative Name: critical\\s+URI:${WEB}\\s`));
    expect(stdout).toContain("ecdsa-with-SHA256");
  });

  test.each(["direct", "below"])("meets our server, which shows its chain without the root (%s)", async (which) => {
    const authority = which === "direct" ? direct : below;
    const [web, api] = await Promise.all([authority.svid(WEB), authority.svid(API)]);
    const files = await filesOf(`${which}-client`, web);
    await using wire = await new Wire().listen();
    const accepted = wire.accept().then(async (raw) => acceptTls(raw, api));
    const client = [
      "s_client",
      "-connect",
      `127.0.0.1:${wire.port}`,
      "-showcerts",
      "-alpn",
      "h2",
      "-verify_return_error",
    ];
    const asked = run("openssl", [...client, ...credentials(files)]);
    asked.child.stdin?.end();
    const outcome = await accepted;
    expect(outcome).toMatchObject({ kind: "established", peer: { id: WEB } });
    if (outcome.kind === "established") outcome.socket.end();
    const { stdout } = await asked;
    const [leaf, ...intermediates] = api.certificateChain.map(({ pem }) => pem);
    const shown = stdout.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/g);
    // The leaf stands in for intermediates where there are none.
    expect(shown).toEqual([leaf, ...(intermediates.length > 0 ? intermediates : [leaf])]);
    expect(stdout).toContain("Verification: OK");
    expect(stdout).toContain("ALPN protocol: h2");
    expect(stdout).toContain("TLSv1.3");
    expect(stdout).toContain("Acceptable client certificate CA names\nO = cluster.local");
  });

  it("as a server is met by our client", async () => {
    const [web, api] = await Promise.all([below.svid(WEB), below.svid(API)]);
    const files = await filesOf("server", api);
    const server = execFile("openssl", [
      ..."s_server -accept 127.0.0.1:0 -Verify 5 -verify_return_error -alpn h2".split(" "),
      ...credentials(files),
    ]);
    try {
      const port = await new Promise<number>((resolve) => {
        server.stdout?.on("data", (text: string) => {
          const found = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
          if (found !== undefined) resolve(Number(found));
        });
      });
      const outcome = await connectTls(connect(port, "127.0.0.1"), web, { expectedIds: [API] });
      expect(outcome).toMatchObject({ kind: "established", peer: { id: API } });
      if (outcome.kind === "established") outcome.socket.destroy();
    } finally {
      server.kill();
    }
  });
});
