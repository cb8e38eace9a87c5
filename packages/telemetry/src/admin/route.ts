// SPDX-License-Identifier: Apache-2.0
import type { IncomingHttpHeaders } from "node:http";

/** A request as routes see it. */
export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** IP address of the client; IPv4 may be mapped into IPv6. */
  readonly remoteAddress: string;
  /** At most 64 KiB. */
  readonly body: string;
  /** Aborts when the client is gone or the server closes. */
  readonly signal: AbortSignal;
}

/** An answer; 200 and text unless it says otherwise. */
export interface AdminAnswer {
  readonly status?: number;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** One path of an admin server. */
export interface AdminRoute {
  readonly path: string;
  /** Others get 405. HEAD goes where GET goes. */
  readonly methods: "any" | readonly ("GET" | "POST" | "PUT" | "DELETE")[];
  /** For the index page and the answer 405. */
  readonly description: string;
  handle(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>;
}

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => HTML_ESCAPES[character] ?? character);
}
