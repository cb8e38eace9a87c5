// SPDX-License-Identifier: Apache-2.0
import { caErrors } from "../errors.ts";

/** One certificate that is no longer good before its time. */
export interface Revocation {
  /** Decimal. */
  readonly serialNumber: string;
  readonly revokedAtMs: number;
  /** When the certificate expires by itself, after which nobody needs to be told; undefined if it is not known. */
  readonly notAfterMs?: number;
}

/** What an authority has revoked. Bounded: each list is sent to every node. */
export class Revocations {
  readonly #bySerial: Map<string, Revocation>;
  readonly #limit: number;

  constructor(revocations: readonly Revocation[], limit: number) {
    this.#bySerial = new Map(revocations.map((revocation) => [revocation.serialNumber, revocation]));
    this.#limit = limit;
  }

  /** Revoking twice keeps the first time. @throws MeshError CA_REVOCATIONS_FULL */
  add(revocation: Revocation): void {
    if (this.#bySerial.has(revocation.serialNumber)) return;
    if (this.#bySerial.size >= this.#limit) {
      throw caErrors.create(
        "CA_REVOCATIONS_FULL",
        `certificate ${revocation.serialNumber} can't be revoked: ${this.#limit} revocations are held; replace the signing key instead`,
      );
    }
    this.#bySerial.set(revocation.serialNumber, revocation);
  }

  /** Those whose certificates have not expired, which are also all that stay held. */
  current(nowMs: number): readonly Revocation[] {
    for (const { serialNumber, notAfterMs } of this.#bySerial.values()) {
      if (notAfterMs !== undefined && notAfterMs < nowMs) this.#bySerial.delete(serialNumber);
    }
    return [...this.#bySerial.values()];
  }
}
