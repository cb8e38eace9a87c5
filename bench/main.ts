// SPDX-License-Identifier: Apache-2.0
// npm run bench -- NAME [--quick] [--json] [--pods N --services N --clients N]
import { parseArgs } from "node:util";
import { istiodBench } from "./istiod/istiod.ts";
import { tunnelBench } from "./tunnel/tunnel.ts";

export interface BenchOptions {
  readonly isQuick: boolean;
  readonly isJson: boolean;
  /** For istiod: size of the mesh, and how many node proxies are simulated. */
  readonly pods: number | undefined;
  readonly services: number | undefined;
  readonly clients: number | undefined;
}

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = {
  tunnel: tunnelBench,
  istiod: istiodBench,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    pods: { type: "string" },
    services: { type: "string" },
    clients: { type: "string" },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`error: no benchmark named ${unknown.join(", ")}; there are: ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
const size = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  console.error(`error: "${text}" is no number of pods, services or clients`);
  process.exit(2);
};
const { quick: isQuick, json: isJson, pods, services, clients } = values;
const sizes = { pods: size(pods), services: size(services), clients: size(clients) };
for (const name of names) await BENCHES[name]?.({ isQuick, isJson, ...sizes });
