// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIP } from "node:net";
import type { AdminAnswer, AdminRequest, AdminRoute } from "@ambientmesh/telemetry";
import type { CallAuthenticator } from "../authentication/call-authenticator.ts";
import type { Caller } from "../authentication/caller.ts";

export interface DebugAccessOptions {
  /** False: whoever is authenticated sees everything. */
  readonly isRestricted: boolean;
  /** Namespaces whose service accounts see everything. */
  readonly namespaces: readonly string[];
}

/** Namespaces that a request may see; undefined: all. */
export type VisibleNamespace = string | undefined;

/** A debug page. Pages that can show one namespace alone say so; others are shown whole or not at all. */
export interface DebugPage {
  readonly name: string;
  readonly description: string;
  readonly isByNamespace?: boolean;
  handle(request: AdminRequest, visible: VisibleNamespace): AdminAnswer | Promise<AdminAnswer>;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** True for addresses that only this machine has; IPv4 may be mapped into IPv6. */
export function isLoopback(address: string): boolean {
  const text = address.replace(/^::ffff:(?=\d+\.)/, "");
  const family = isIP(text);
  return family !== 0 && LOOPBACK.check(text, family === 4 ? "ipv4" : "ipv6");
}

/**
 * Lets this machine see everything, off it only those whose token is good (401), and of those only who belongs to the
 * control plane; anybody else sees what is their own namespace's (403 for the rest). As in Istio 1.31.
 */
export class DebugAccess {
  readonly #calls: Pick<CallAuthenticator, "authenticate">;
  readonly #options: DebugAccessOptions;

  constructor(calls: Pick<CallAuthenticator, "authenticate">, options: DebugAccessOptions) {
    this.#calls = calls;
    this.#options = options;
  }

  route(page: DebugPage): AdminRoute {
    return {
      path: `/debug/${page.name}`,
      methods: ["GET"],
      description: page.description,
      handle: async (request) => {
        if (isLoopback(request.remoteAddress)) return page.handle(request, undefined);
        const caller = await this.#callerOf(request);
        if (!caller) return { status: 401, body: "show a token: authorization: Bearer TOKEN\n" };
        if (!this.#options.isRestricted || this.#options.namespaces.includes(caller.namespace)) {
          return page.handle(request, undefined);
        }
        if (page.isByNamespace === true) return page.handle(request, caller.namespace);
        return { status: 403, body: `${caller.id} may not see this page\n` };
      },
    };
  }

  async #callerOf({ headers }: AdminRequest): Promise<Caller | undefined> {
    const metadata = (name: string): string | undefined => {
      const value = headers[name];
      return typeof value === "string" ? value : undefined;
    };
    const authentication = await this.#calls.authenticate({ peerCertificate: undefined, metadata });
    return authentication.kind === "authenticated" ? authentication.caller : undefined;
  }
}
