// SPDX-License-Identifier: Apache-2.0
// npm run bench -- NAME [--quick] [--json]
import { parseArgs } from "node:util";
import { tunnelBench } from "./tunnel/tunnel.ts";

export interface BenchOptions {
  readonly isQuick: boolean;
  readonly isJson: boolean;
}

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = { tunnel: tunnelBench };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`error: no benchmark named ${unknown.join(", ")}; there are: ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
for (const name of names) await BENCHES[name]?.({ isQuick: values.quick, isJson: values.json });
