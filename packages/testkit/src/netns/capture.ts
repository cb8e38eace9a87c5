// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { spawnIn, type NetnsRef } from "@ambientmesh/linux";
import { networkErrors } from "./errors.ts";

export interface CaptureOptions {
  /** An expression of pcap-filter(7). Default: everything. */
  readonly filter?: string;
  /** Default "any". */
  readonly device?: string;
  /** "pcap" for the packets' bytes (search them for what must not be readable), "text" for one line per packet. Default "pcap". */
  readonly format?: "pcap" | "text";
}

/** Packets being recorded by tcpdump. */
export interface Capture extends AsyncDisposable {
  /** Ends the recording and gives what was seen. */
  stop(): Promise<Buffer>;
}

/**
 * Starts tcpdump in a namespace; resolves when it sees packets.
 * @throws MeshError TESTKIT_NETWORK_INVALID if tcpdump does not start, with what it said
 */
export async function startCapture(netns: NetnsRef, options: CaptureOptions = {}): Promise<Capture> {
  const { filter, device = "any", format = "pcap" } = options;
  const output = format === "pcap" ? ["-U", "-w", "-"] : ["-l"];
  const command = ["tcpdump", "-n", "-Z", "root", "--immediate-mode", "-i", device, ...output] as const;
  const child = spawnIn([...command, ...(filter === undefined ? [] : [filter])], {
    netns,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close");
  const chunks: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  const said = new Remarks(child);
  if ((await said.next(/listening on/, ended)) === undefined) {
    throw networkErrors.create("TESTKIT_NETWORK_INVALID", `tcpdump did not start: ${said.text.trim()}`);
  }
  const stop = async (): Promise<Buffer> => {
    await catchUp(child, said, ended);
    child.kill("SIGINT");
    await ended;
    return Buffer.concat(chunks);
  };
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

const STATISTICS = /(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped/;
const MAX_QUESTIONS = 100;

/** tcpdump forgets what it has not read when it is interrupted, so it is asked (SIGUSR1) until it has read everything. */
async function catchUp(child: ChildProcess, said: Remarks, ended: Promise<unknown>): Promise<void> {
  for (let question = 0; question < MAX_QUESTIONS; question++) {
    child.kill("SIGUSR1");
    const [, captured, received, dropped] = (await said.next(STATISTICS, ended)) ?? [];
    if (Number(captured ?? 0) + Number(dropped ?? 0) >= Number(received ?? 0)) return;
  }
}

/** What a program says on standard error, read remark by remark. */
class Remarks {
  text = "";
  #onText: () => void = () => {};

  constructor(child: ChildProcess) {
    child.stderr?.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("utf8");
      this.#onText();
    });
  }

  /** The next match, consumed with all before it; undefined if the program ends without. */
  async next(pattern: RegExp, ended: Promise<unknown>): Promise<RegExpExecArray | undefined> {
    let hasEnded = false;
    void ended.then(() => {
      hasEnded = true;
      this.#onText();
    });
    for (;;) {
      const match = pattern.exec(this.text);
      if (match) this.text = this.text.slice(match.index + match[0].length);
      if (match) return match;
      if (hasEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#onText = resolve;
      });
    }
  }
}
