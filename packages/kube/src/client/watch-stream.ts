// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { KubernetesObject, Status } from "@ambientmesh/api/kubernetes";
import { kubeErrors } from "../errors.ts";
import { isJsonObject, jsonText } from "../json/json.ts";
import { errorOfStatus } from "../status/status.ts";
import { bodyFailure } from "./response.ts";

/** One line of a watch. */
export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  /** Nothing changed, but the watch may resume from here. */
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/**
 * Events in the batches in which they arrive. Ends when the server ends the watch.
 * Iterating throws a MeshError: KUBE_EXPIRED when the version is too old, KUBE_RESPONSE_INVALID when the stream breaks.
 */
export interface WatchStream<T> extends AsyncIterable<readonly WatchEvent<T>[]>, Disposable {}

// An object may have 1.5 MiB in etcd, and more as JSON.
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Reads a watch's JSON lines. The stream owns the response. */
export function watchStreamOf<T extends KubernetesObject>(response: IncomingMessage, what: string): WatchStream<T> {
  return {
    [Symbol.asyncIterator]: () => readEvents<T>(response, what),
    [Symbol.dispose]: () => void response.destroy(),
  };
}

async function* readEvents<T extends KubernetesObject>(
  response: IncomingMessage,
  what: string,
): AsyncGenerator<readonly WatchEvent<T>[], void> {
  const lines = new LineBuffer(what);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const events = lines.push(chunk).map((line) => parseEvent<T>(line, what));
      if (events.length > 0) yield events;
    }
  } catch (error) {
    throw bodyFailure(error, what);
  }
}

/** Cuts chunks into lines. */
class LineBuffer {
  readonly #what: string;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(what: string) {
    this.#what = what;
  }

  push(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, begin)) {
      const line = Buffer.concat([...this.#rest, chunk.subarray(begin, end)]).toString("utf8");
      this.#rest = [];
      this.#restBytes = 0;
      begin = end + 1;
      if (line.trim() !== "") lines.push(line);
    }
    this.#keep(chunk.subarray(begin));
    return lines;
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#restBytes += rest.length;
    if (this.#restBytes > MAX_LINE_BYTES) {
      const message = `${this.#what}: an event is larger than ${MAX_LINE_BYTES} bytes`;
      throw kubeErrors.create("KUBE_RESPONSE_TOO_LARGE", message);
    }
    this.#rest.push(rest);
  }
}

function parseEvent<T extends KubernetesObject>(line: string, what: string): WatchEvent<T> {
  const event = parseLine(line, what);
  const { type, object } = event;
  if (!isJsonObject(object)) throw notAnEvent(what, line);
  if (type === "ERROR") {
    const status = object as Partial<Status>;
    throw errorOfStatus(status, { httpStatus: status.code ?? 500, what });
  }
  const metadata = object["metadata"];
  if (!isJsonObject(metadata)) throw notAnEvent(what, line);
  if (type === "BOOKMARK") return { type, resourceVersion: jsonText(metadata["resourceVersion"]) };
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") throw notAnEvent(what, line);
  return { type, object: object as unknown as T };
}

function parseLine(line: string, what: string): { readonly type?: unknown; readonly object?: unknown } {
  try {
    const value: unknown = JSON.parse(line);
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw notAnEvent(what, line, error);
  }
  throw notAnEvent(what, line);
}

function notAnEvent(what: string, line: string, cause?: unknown): Error {
  return kubeErrors.create("KUBE_RESPONSE_INVALID", `${what}: a line is no watch event`, {
    cause,
    details: { begin: line.slice(0, 200) },
  });
}
