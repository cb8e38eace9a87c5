// SPDX-License-Identifier: Apache-2.0
import { messageOf, type Clock, type Logger } from "@ambientmesh/core";
import type { ServingCertificate } from "@ambientmesh/ca";
import type { ServerTlsMaterial, ServerTlsSource } from "@ambientmesh/xds";
import type { AuthorityKeeper } from "./authority-keeper.ts";

export interface ServingCertificateDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly keeper: Pick<AuthorityKeeper, "authority" | "subscribe">;
}

const CHECK_MS = 60_000;

/** DNS names under which clients reach istiod (Istio 1.31); `host` is the name that they are told. */
export function servingNames(options: {
  readonly namespace: string;
  readonly revision: string;
  readonly customHosts: readonly string[];
}): string[] {
  const { namespace, revision, customHosts } = options;
  const hosts = ["istiod", "istiod-remote", "istio-pilot", ...(revision === "" ? [] : [`istiod-${revision}`])];
  return [...new Set([...hosts.map((host) => `${host}.${namespace}.svc`), ...customHosts])].sort(byText);
}

/** A serving certificate from the built-in CA: made anew when the authority changes or its end comes near. */
export class IssuedServingCertificate implements ServerTlsSource {
  readonly #deps: ServingCertificateDeps;
  readonly #names: readonly string[];
  readonly #listeners = new Set<() => void>();
  #certificate: ServingCertificate;
  #renewAtMs: number;

  private constructor(deps: ServingCertificateDeps, names: readonly string[], certificate: ServingCertificate) {
    this.#deps = deps;
    this.#names = names;
    this.#certificate = certificate;
    this.#renewAtMs = this.#halfLife();
  }

  static async create(deps: ServingCertificateDeps, names: readonly string[]): Promise<IssuedServingCertificate> {
    return new IssuedServingCertificate(deps, names, await deps.keeper.authority.issueServing({ names }));
  }

  current(): ServerTlsMaterial {
    const { privateKeyPem, certificateChainPem, rootsPem } = this.#certificate;
    return { key: privateKeyPem, certificates: certificateChainPem, clientRoots: [rootsPem] };
  }

  subscribe(changed: () => void): Disposable {
    this.#listeners.add(changed);
    return { [Symbol.dispose]: () => void this.#listeners.delete(changed) };
  }

  /** Renews when it has to, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, keeper } = this.#deps;
    using _following = keeper.subscribe(() => void this.#renew());
    while (!signal.aborted) {
      await clock.sleep(CHECK_MS, signal);
      if (clock.now() >= this.#renewAtMs) await this.#renew();
    }
  }

  #halfLife(): number {
    return (this.#deps.clock.now() + this.#certificate.notAfterMs) / 2;
  }

  async #renew(): Promise<void> {
    const { logger, keeper } = this.#deps;
    try {
      this.#certificate = await keeper.authority.issueServing({ names: this.#names });
      this.#renewAtMs = this.#halfLife();
      logger.info("serving certificate renewed", { notAfter: new Date(this.#certificate.notAfterMs) });
      for (const listener of this.#listeners) listener();
    } catch (error) {
      logger.error("serving certificate can't be renewed, the one in use stays", { reason: messageOf(error) });
    }
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}
