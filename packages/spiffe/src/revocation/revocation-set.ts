// SPDX-License-Identifier: Apache-2.0
import type { Certificate } from "../x509/certificate.ts";
import { parseRevocationLists, type RevocationList } from "../x509/crl.ts";
import { isSignedBy } from "../x509/signature.ts";

/** Bounds what is remembered about signatures; there are as many authorities as a mesh has, a handful. */
const MAX_REMEMBERED = 1024;

/**
 * The revoked certificates of some authorities. A certificate that no list speaks of is good, and lists don't go stale:
 * both as in Istio's node proxy, where a late list must not stop the mesh.
 */
export class RevocationSet {
  /** Says of no certificate that it is revoked. */
  static readonly EMPTY: RevocationSet = new RevocationSet([]);

  /** Lists by their issuer's name. */
  readonly #lists = new Map<string, RevocationList[]>();
  readonly #signatures = new Map<string, boolean>();
  readonly #count: number;

  constructor(lists: readonly RevocationList[]) {
    this.#count = lists.length;
    for (const list of lists) {
      const name = list.issuer.toString("latin1");
      this.#lists.set(name, [...(this.#lists.get(name) ?? []), list]);
    }
  }

  /** {@link parseRevocationLists} and the set of what it found. */
  static parse(source: string | Uint8Array, what: string): RevocationSet {
    return new RevocationSet(parseRevocationLists(source, what));
  }

  /** How many lists there are. */
  get size(): number {
    return this.#count;
  }

  /**
   * The first revoked certificate of a path (leaf first, root last, each issued by the next), undefined if none is.
   * A list counts only if the key of the certificate's own issuer signed it; the name alone is not enough.
   */
  findRevoked(path: readonly Certificate[]): Certificate | undefined {
    return path.find((certificate, at) => {
      const issuer = path[at + 1];
      return issuer !== undefined && this.#isRevokedBy(certificate, issuer);
    });
  }

  #isRevokedBy(certificate: Certificate, issuer: Certificate): boolean {
    const lists = this.#lists.get(certificate.issuer.toString("latin1")) ?? [];
    return lists.some((list, at) => list.serialNumbers.has(certificate.serialNumber) && this.#isFrom(list, at, issuer));
  }

  #isFrom(list: RevocationList, at: number, issuer: Certificate): boolean {
    const key = `${at} ${issuer.der.toString("latin1")}`;
    let isFrom = this.#signatures.get(key);
    if (isFrom === undefined) {
      if (this.#signatures.size >= MAX_REMEMBERED) this.#signatures.clear();
      this.#signatures.set(key, (isFrom = isSignedBy(list.signed, issuer.x509.publicKey)));
    }
    return isFrom;
  }
}

/** Where the revoked certificates of now are; {@link CrlFile} is one. */
export interface RevocationSource {
  readonly current: RevocationSet;
  /** Called after {@link RevocationSource.current} changed. Dispose the result to stop. */
  subscribe(listener: (set: RevocationSet) => void): Disposable;
}
