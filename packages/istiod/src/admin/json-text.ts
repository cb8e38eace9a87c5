// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from "node:timers/promises";
import type { AdminAnswer } from "@ambientmesh/telemetry";

/** Items written between two turns of the event loop; a workload takes some 20 µs. */
const ITEMS_PER_TURN = 200;

/** An answer of indented JSON. */
export function jsonAnswer(value: unknown): AdminAnswer {
  return { contentType: "application/json", body: `${JSON.stringify(value, undefined, 2)}\n` };
}

/** An object of long lists as JSON, one item a line, written without holding up the event loop. */
export async function longJsonAnswer(lists: Readonly<Record<string, Iterable<unknown>>>): Promise<AdminAnswer> {
  const parts: string[] = [];
  for (const [name, items] of Object.entries(lists)) {
    const lines: string[] = [];
    for (const item of items) {
      lines.push(`    ${JSON.stringify(item)}`);
      if (lines.length % ITEMS_PER_TURN === 0) await nextTurn();
    }
    parts.push(`  ${JSON.stringify(name)}: [${lines.length > 0 ? `\n${lines.join(",\n")}\n  ` : ""}]`);
  }
  return { contentType: "application/json", body: `{\n${parts.join(",\n")}\n}\n` };
}
