// SPDX-License-Identifier: Apache-2.0
import type { HeaderList } from "./header-list.ts";

export type Protocol = "HTTP/1.0" | "HTTP/1.1" | "HTTP/2";

/** The start of a request; what filters and routes look at and change. */
export interface RequestHead {
  method: string;
  /** Path and query as they go to the upstream. */
  path: string;
  authority: string;
  scheme: string;
  /** As asked for by the `upgrade` header, in lower case; absent where there is none. */
  readonly upgrade?: string;
  readonly protocol: Protocol;
  readonly headers: HeaderList;
}

/** The start of a response. */
export interface ResponseHead {
  status: number;
  readonly headers: HeaderList;
}

/** A header of a request by name, pseudo headers included, as matchers and formats ask for it. */
export function requestHeader(head: RequestHead, name: string): string | undefined {
  switch (name) {
    case ":method":
      return head.method;
    case ":path":
      return head.path;
    case ":authority":
    case "host":
      return head.authority;
    case ":scheme":
      return head.scheme;
    default:
      return head.headers.get(name);
  }
}

/** As {@link requestHeader}, each value by itself; none where there is no such header. */
export function requestHeaderValues(head: RequestHead, name: string): readonly string[] {
  const isPseudo = name.startsWith(":") || name === "host";
  if (!isPseudo) return head.headers.values(name);
  const value = requestHeader(head, name);
  return value === undefined ? [] : [value];
}

/** The path without query and fragment. */
export function pathOf(path: string): string {
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}

/** True for the content types of gRPC: `application/grpc` and `application/grpc+proto`. */
export function isGrpc(headers: HeaderList): boolean {
  const type = headers.get("content-type") ?? "";
  return type === "application/grpc" || type.startsWith("application/grpc+");
}
