// SPDX-License-Identifier: Apache-2.0
import { CertificateAuthority, type AuthorityMaterial, type IssuingPolicy } from "@ambientmesh/ca";
import { toMeshError, type Clock, type GaugeSeries, type Logger, type Metrics } from "@ambientmesh/core";
import { parseRevocationLists, parseTrustBundle, type TrustBundle } from "@ambientmesh/spiffe";
import { errors } from "../errors.ts";

/** What the authority should have and hand out now. */
export interface ObtainedAuthority {
  readonly material: AuthorityMaterial;
  /** Revocation lists that came with it, PEM. */
  readonly crlPem?: string | undefined;
}

/** Gives what the authority should have now. */
export type ObtainAuthority = (signal?: AbortSignal) => Promise<ObtainedAuthority>;

export interface AuthorityKeeperDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly obtain: ObtainAuthority;
}

export interface AuthorityKeeperOptions {
  readonly policy: IssuingPolicy;
  /** How often the material is looked at again, ±10 % so that replicas don't do it together. */
  readonly checkIntervalMs: number;
}

/** The authority in use. It follows its material; what can't be read or used leaves the one before in place. */
export class AuthorityKeeper {
  readonly authority: CertificateAuthority;
  readonly #deps: AuthorityKeeperDeps;
  readonly #options: AuthorityKeeperOptions;
  readonly #listeners = new Set<() => void>();
  #crlPem: string | undefined;
  readonly #expiry: { readonly timestamp: GaugeSeries; readonly seconds: GaugeSeries }[];

  private constructor(deps: AuthorityKeeperDeps, options: AuthorityKeeperOptions, obtained: ObtainedAuthority) {
    this.#deps = deps;
    this.#options = options;
    const { material, crlPem } = obtained;
    this.#crlPem = crlPem;
    this.authority = new CertificateAuthority(material, { clock: deps.clock, policy: options.policy });
    this.#expiry = ["root_cert", "cert_chain"].map((what) => ({
      timestamp: deps.metrics
        .gauge({ name: `citadel_server_${what}_expiry_timestamp`, help: "When it expires, in seconds since 1970." })
        .with({}),
      seconds: deps.metrics
        .gauge({ name: `citadel_server_${what}_expiry_seconds`, help: "Seconds until it expires." })
        .with({}),
    }));
    this.#tellExpiry();
  }

  /** @throws what obtaining the first material throws: without an authority there is nothing to serve. */
  static async create(
    deps: AuthorityKeeperDeps,
    options: AuthorityKeeperOptions,
    signal?: AbortSignal,
  ): Promise<AuthorityKeeper> {
    const obtained = await deps.obtain(signal);
    checkLists(obtained);
    return new AuthorityKeeper(deps, options, obtained);
  }

  /** Revocation lists for everybody, PEM; undefined if there never were any. */
  get crlPem(): string | undefined {
    return this.#crlPem;
  }

  /** Calls back when certificates, roots or revocation lists of the authority have changed. */
  subscribe(changed: () => void): Disposable {
    this.#listeners.add(changed);
    return { [Symbol.dispose]: () => void this.#listeners.delete(changed) };
  }

  /** Looks at the material again. Never rejects. */
  async refresh(signal?: AbortSignal): Promise<void> {
    const { logger, obtain } = this.#deps;
    try {
      this.#take(await obtain(signal));
    } catch (error) {
      if (signal?.aborted) return;
      logger.error("certificate authority can't be refreshed, the one in use stays", { error: toMeshError(error) });
    }
    this.#tellExpiry();
  }

  /** Refreshes again and again until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { checkIntervalMs } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(checkIntervalMs * (0.9 + 0.2 * Math.random()), signal);
      await this.refresh(signal);
    }
  }

  #take(obtained: ObtainedAuthority): void {
    const { material, crlPem = this.#crlPem } = obtained;
    const isSame = isSameMaterial(material, this.authority.material);
    if (isSame && crlPem === this.#crlPem) return;
    checkLists(obtained);
    if (!isSame) {
      checkOverlap(this.authority.trustBundle, parseTrustBundle(material.rootsPem));
      this.authority.replace(material);
      this.#deps.logger.info("certificate authority changed", {
        serialNumber: this.authority.certificate.serialNumber,
      });
    }
    if (crlPem !== this.#crlPem) this.#deps.logger.info("revocation lists changed");
    this.#crlPem = crlPem;
    for (const listener of this.#listeners) listener();
  }

  #tellExpiry(): void {
    const { trustBundle, certificate } = this.authority;
    const roots = Math.min(...trustBundle.roots.map(({ notAfterMs }) => notAfterMs));
    for (const [at, notAfterMs] of [roots, certificate.notAfterMs].entries()) {
      this.#expiry[at]?.timestamp.set(notAfterMs / 1000);
      this.#expiry[at]?.seconds.set((notAfterMs - this.#deps.clock.now()) / 1000);
    }
  }
}

/** Peers refuse everybody while their list can't be read. */
function checkLists({ crlPem }: ObtainedAuthority): void {
  if (crlPem !== undefined) parseRevocationLists(crlPem, "the authority's revocation list (ca-crl.pem)");
}

/** Whoever trusts only the roots of before could talk to nobody who has a certificate of after. */
function checkOverlap(before: TrustBundle, after: TrustBundle): void {
  if (after.roots.some((root) => before.roots.some((other) => other.equals(root)))) return;
  throw errors.create(
    "ISTIOD_ROOTS_REPLACED",
    "none of the roots in use is among the new ones, which would cut off every workload: add the new root beside the old one first, or restart istiod to force it",
  );
}

function isSameMaterial(a: AuthorityMaterial, b: AuthorityMaterial): boolean {
  return (
    a.certificatePem === b.certificatePem &&
    a.privateKeyPem === b.privateKeyPem &&
    a.chainPem === b.chainPem &&
    a.rootsPem === b.rootsPem
  );
}
