// SPDX-License-Identifier: Apache-2.0

/** Where a listener binds. */
export interface ListenAddress {
  /** An IP address or name; empty: all addresses of the machine. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/**
 * Reads Go's notation of a listen address: ":8080", "127.0.0.1:15010", "[::1]:0".
 * @returns undefined if the text is none.
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<name>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.["port"]);
  if (!match || port > 65_535) return undefined;
  return { host: match.groups?.["v6"] ?? match.groups?.["name"] ?? "", port };
}
