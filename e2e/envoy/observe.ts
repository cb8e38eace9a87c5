// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from "node:timers/promises";
import { send, sendRaw } from "./client.ts";
import type { Engine } from "./engines.ts";
import type { Case } from "./scenario.ts";
import type { Seen, Upstream } from "./upstream.ts";

/** All that is compared of a case. */
export interface Observation {
  readonly response: object;
  /** What the apps saw, attempt by attempt. */
  readonly seen: readonly object[];
  /** Flags, details, cluster and route of the access log. */
  readonly log: string;
}

/** Values that differ from run to run; only that they are there is compared. */
const VOLATILE = new Set(["date", "x-request-id", "x-envoy-upstream-service-time", "x-case"]);
/** Envoy writes none for what its codecs refuse. */
export const NO_LINE = "no line in the access log";
const TIMEOUT = "x-envoy-expected-rq-timeout-ms";
const REFUSALS = new Set(["400", "426", "431", "501"]);
const RAW_SILENCE_MS = 400;

/** Sends the request of a case to an engine and gathers what became of it. */
export async function observe(
  engine: Engine,
  listener: string,
  test: Case,
  apps: readonly Upstream[],
): Promise<Observation> {
  const key = `${engine.name}/${listener}/${test.name}`.replaceAll(" ", "-");
  const port = engine.port(listener);
  const seen = (): object[] => apps.flatMap((app) => app.seen(key).map(plainRequest));
  if (test.raw !== undefined) {
    const answer = await sendRaw(port, test.raw.replaceAll("{case}", key), RAW_SILENCE_MS);
    // By which status something is refused is a matter of taste.
    const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) =>
      REFUSALS.has(status ?? "") ? "refused" : status,
    );
    return { response: { statuses }, seen: seen(), log: "" };
  }
  const headers = { ...test.headers, "x-case": key, ...(test.answer && { "x-answer": JSON.stringify(test.answer) }) };
  const response = await send(port, { ...test, headers });
  const log = await logLine(engine, key);
  return { response: { ...response, headers: plainHeaders(response.headers) }, seen: seen(), log };
}

async function logLine(engine: Engine, key: string): Promise<string> {
  for (let round = 0; round < 40; round++) {
    const line = engine.log.find((text) => text.startsWith(`${key} `));
    if (line !== undefined) return line.slice(key.length + 1);
    await sleep(20);
  }
  return NO_LINE;
}

function plainRequest({ app, method, url, headers, body }: Seen): object {
  const { "x-answer": _, ...rest } = headers;
  return { app, method, url, headers: plainHeaders(rest), body };
}

function plainHeaders(headers: Seen["headers"] | object): object {
  const entries = Object.entries(headers).map(([name, value]) => {
    if (VOLATILE.has(name)) return [name, "(there)"];
    // What is left of a timeout depends on the speed of the machine.
    return [name, name === TIMEOUT ? `up to ${Math.ceil(Number(value) / 1000)} s` : value];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => String(a).localeCompare(String(b))));
}
