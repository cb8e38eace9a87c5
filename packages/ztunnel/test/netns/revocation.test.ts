// SPDX-License-Identifier: Apache-2.0
// Revoked certificates, in and out. Needs root: `npx vitest run --project netns packages/ztunnel`.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSome, startMesh, type Mesh } from "../testbed/mesh.ts";
import { peerAs } from "../testbed/peer.ts";

describe.runIf(canUseNetns(process.env))("revocation lists", () => {
  let mesh: Mesh;
  const folder = mkdtempSync(join(tmpdir(), "crl-"));
  const path = join(folder, "crl.pem");
  beforeAll(async () => {
    mesh = await startMesh({ nodes: { n1: ["client"], n2: ["far", "plain-peer"] }, env: { CRL_PATH: path } });
    await mesh.echo("far");
  });
  afterAll(async () => {
    await mesh?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  async function revoke(serialNumber: string): Promise<void> {
    const { authority } = mesh.control.authority;
    authority.revoke({ serialNumber });
    writeFileSync(path, await authority.crl());
  }

  it("end tunnels that clients opened, and refuse their next", async () => {
    using peer = await peerAs(mesh, "caller");
    const authority = `${mesh.pod("far").address}:8080`;
    const outcome = await peer.connect("far", authority);
    const tunnel = outcome.kind === "open" ? outcome.tunnel : undefined;
    const closed = new Promise((resolve) => tunnel?.once("close", resolve));
    await revoke(peer.svid.certificateChain[0].serialNumber);
    await closed;
    const node = mesh.node("n2");
    await expect
      .poll(() => node.access().at(-1))
      .toMatchObject({ reason: "CERTIFICATE_REVOKED", direction: "inbound", ended_by: "proxy" });
    await expect(peer.connect("far", authority)).rejects.toThrow(/closed|reset/i);
    await expect.poll(() => node.access("connection failed").at(-1)).toMatchObject({ reason: "CERTIFICATE_REVOKED" });
    expect(await node.metric("istio_crl_policy_rejections_total", { reporter: "destination" })).toBeGreaterThanOrEqual(
      2,
    );
  });

  it("end tunnels to servers, and refuse the next to them", async () => {
    const socket = await mesh.connect("client", mesh.pod("far").address, 8080);
    socket.write("x");
    expect(await readSome(socket)).toBe("xx");
    const far = JSON.parse(await mesh.node("n2").dump()) as {
      certificates: { identity: string; certChain: { serialNumber: string }[] }[];
    };
    const serial = far.certificates.find(({ identity }) => identity.endsWith("/far"))?.certChain[0]?.serialNumber ?? "";
    await revoke(serial);
    expect(await readSome(socket)).toBe("");
    const node = mesh.node("n1");
    await expect
      .poll(() => node.access().at(-1))
      .toMatchObject({ reason: "CERTIFICATE_REVOKED", direction: "outbound" });
    expect(await mesh.request("client", mesh.pod("far").address, 8080)).toBe("");
    await expect.poll(() => node.access()).toHaveLength(2);
    expect(node.access().at(-1)).toMatchObject({
      reason: "CERTIFICATE_REVOKED",
      error: expect.stringContaining("was revoked"),
    });
  });
});
