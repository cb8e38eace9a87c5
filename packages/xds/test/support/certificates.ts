// SPDX-License-Identifier: Apache-2.0
import { createRoot, type AuthorityMaterial } from "@ambientmesh/ca";
import { systemClock } from "@ambientmesh/core";
import { NAME_TAG, createTestAuthority, deviantCertificate, type TlsFiles } from "@ambientmesh/testkit";
import type { ClientTls, ServerTlsMaterial, ServerTlsSource } from "../../src/index.ts";

/** A root that signs what the tests need. */
export function newRoot(): Promise<AuthorityMaterial> {
  return createRoot("cluster.local", { keyType: "ecdsa-p256", clock: systemClock });
}

/** A server's certificate for DNS names. */
export function serverFiles(root: AuthorityMaterial, ...names: string[]): Promise<TlsFiles> {
  return deviantCertificate(root, { names: names.map((name) => [NAME_TAG.DNS, name] as const) });
}

/** A workload's certificate, as the authority issues it. */
export async function workloadFiles(root: AuthorityMaterial, id: string): Promise<Omit<TlsFiles, "ca">> {
  const authority = await createTestAuthority({ material: root });
  const { certificateChain, privateKey } = await authority.svid(id);
  return {
    cert: certificateChain.map(({ x509 }) => x509.toString()).join(""),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

export function materialOf({ cert, key }: TlsFiles, clientRoots: readonly string[] = []): ServerTlsMaterial {
  return { key, certificates: cert, clientRoots };
}

/** Material that a test exchanges. */
export class RotatingTls implements ServerTlsSource {
  #material: ServerTlsMaterial;
  readonly #followers = new Set<() => void>();

  constructor(material: ServerTlsMaterial) {
    this.#material = material;
  }

  get followers(): number {
    return this.#followers.size;
  }

  current(): ServerTlsMaterial {
    return this.#material;
  }

  subscribe(changed: () => void): Disposable {
    this.#followers.add(changed);
    return { [Symbol.dispose]: () => void this.#followers.delete(changed) };
  }

  rotate(material: ServerTlsMaterial): void {
    this.#material = material;
    for (const changed of this.#followers) changed();
  }
}

export function trusting(root: AuthorityMaterial, more: Omit<ClientTls, "roots"> = {}): ClientTls {
  return { roots: () => Buffer.from(root.rootsPem), ...more };
}

export function showing({ cert, key }: Omit<TlsFiles, "ca">): Pick<ClientTls, "identity"> {
  return { identity: () => Promise.resolve({ key: Buffer.from(key), certificates: Buffer.from(cert) }) };
}
