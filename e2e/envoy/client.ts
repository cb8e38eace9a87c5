// SPDX-License-Identifier: Apache-2.0
import { request as httpRequest } from "node:http";
import { connect as connectH2 } from "node:http2";
import { connect } from "node:net";

/** A request of a case. */
export interface CaseRequest {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
  readonly isHttp2?: boolean;
}

/** What came back. */
export interface CaseResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** How the response broke off. */
  readonly error?: string;
}

/** Sends a request; a connection of its own for each. */
export function send(port: number, request: CaseRequest): Promise<CaseResponse> {
  return request.isHttp2 ? sendH2(port, request) : sendH1(port, request);
}

function sendH1(
  port: number,
  { method = "GET", path = "/", authority = "app.test", headers, body }: CaseRequest,
): Promise<CaseResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<CaseResponse>();
  const client = httpRequest({ host: "127.0.0.1", port, method, path, agent: false, setHost: false });
  client.setHeader("host", authority);
  for (const [name, value] of Object.entries(headers ?? {})) client.setHeader(name, value);
  client.on("response", (response) => {
    const chunks: Buffer[] = [];
    const done = (error?: string): void =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(chunks).toString(),
        trailers: response.trailers,
        ...(error !== undefined && { error }),
      });
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => done());
    response.on("error", () => done("broken off"));
  });
  client.on("error", reject);
  // node:http frames no body of methods that seldom have one.
  if (body !== undefined) client.setHeader("content-length", Buffer.byteLength(body));
  client.end(body);
  return promise;
}

function sendH2(
  port: number,
  { method = "GET", path = "/", authority = "app.test", headers, body }: CaseRequest,
): Promise<CaseResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<CaseResponse>();
  const session = connectH2(`http://127.0.0.1:${port}`);
  session.on("error", reject);
  const stream = session.request(
    { ":method": method, ":path": path, ":authority": authority, ...headers },
    { endStream: body === undefined },
  );
  let head: Record<string, string | readonly string[] | undefined> = {};
  let trailers: Record<string, string | readonly string[] | undefined> = {};
  const chunks: Buffer[] = [];
  stream.on("response", (received) => {
    head = received;
  });
  stream.on("trailers", (received) => {
    trailers = received as typeof trailers;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => stream.destroy());
  stream.once("close", () => {
    session.destroy();
    const { ":status": status, ...rest } = head;
    const error = stream.rstCode === 0 ? {} : { error: "broken off" };
    resolve({ status: Number(status ?? 0), headers: rest, body: Buffer.concat(chunks).toString(), trailers, ...error });
  });
  stream.end(body);
  return promise;
}

/** Sends octets as they are; gives what came back until the peer closed or was silent for a while. */
export function sendRaw(port: number, octets: string, silenceMs: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: "127.0.0.1", port });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => socket.destroy());
  socket.setTimeout(silenceMs, () => socket.destroy());
  socket.once("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  socket.write(octets, "latin1");
  return promise;
}
