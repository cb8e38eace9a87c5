// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import type { HostConfig } from "./host.ts";

/** Connects to an endpoint; rejects with Envoy's words for what went wrong. */
export type Dial = (host: Pick<HostConfig, "address" | "port">, signal: AbortSignal) => Promise<Duplex>;
