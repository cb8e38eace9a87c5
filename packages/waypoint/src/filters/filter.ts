// SPDX-License-Identifier: Apache-2.0
import type { Exchange } from "../http/exchange.ts";
import type { LocalReply } from "../http/local-reply.ts";
import type { CompiledFault } from "./fault.ts";
import type { CompiledRbac } from "./rbac.ts";

/** What a filter is told instead of its own settings on some routes. */
export type FilterOverride =
  | { readonly kind: "fault"; readonly fault: CompiledFault }
  /** Undefined: no policy on this route. */
  | { readonly kind: "rbac"; readonly rbac: CompiledRbac | undefined };

/** One step of a request on its way to the router. A reply ends the way. */
export interface HttpFilter {
  /** The name under which routes override it. */
  readonly name: string;
  readonly decide: (
    exchange: Exchange,
    override: FilterOverride | undefined,
  ) => LocalReply | undefined | Promise<LocalReply | undefined>;
}
