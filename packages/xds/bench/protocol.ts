// SPDX-License-Identifier: Apache-2.0

/** The type that is served. */
export const BENCH_TYPE = "type.googleapis.com/bench.Resource";

/** What a process full of clients tells its parent. */
export type Report = { readonly kind: "synced" } | { readonly kind: "received"; readonly value: string };
