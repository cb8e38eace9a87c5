// SPDX-License-Identifier: Apache-2.0

/** Cases in which ours may differ from Envoy, "scenario / case", by the reason why it does. There are five reasons at most. */
export const ALLOWED_DIFFERENCES: Readonly<Record<string, readonly string[]>> = {
  "Line ends and folding that other programs read differently are refused instead of repaired.": [
    "smuggling / a folded header",
    "smuggling / line feeds alone",
    "smuggling / a bare carriage return",
  ],
  "A request has to name one host: Envoy joins two by a comma, and passes on an empty one.": [
    "smuggling / two hosts",
    "smuggling / an empty host",
  ],
  "A chunk that is longer than its size ends the connection at once; Envoy has answered by the time it notices.": [
    "smuggling / a chunk that is too long",
  ],
};
