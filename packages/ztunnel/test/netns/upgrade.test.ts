// SPDX-License-Identifier: Apache-2.0
// A new ztunnel takes over from an old one. Needs root: `npx vitest run --project netns packages/ztunnel/test/netns/upgrade.test.ts`.
import type { Socket } from "node:net";
import { canUseNetns } from "@ambientmesh/testkit";
import { expect, describe, it } from "vitest";
import { readSome, startMesh, type Mesh } from "../testbed/mesh.ts";

const [IDLE, BUSY, NEWCOMERS, UPGRADES] = [60, 6, 4, 4];

/** Sends one text after the other over a connection and checks what comes back, until it is told to stop. */
class Talker {
  readonly ended: Promise<void>;
  count = 0;
  #isStopped = false;

  constructor(socket: Socket) {
    this.ended = this.#run(socket);
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.ended;
  }

  async #run(socket: Socket): Promise<void> {
    while (!this.#isStopped) {
      const text = `${this.count++}.`;
      socket.write(text);
      let answer = "";
      while (answer.length < 2 * text.length) {
        const part = await readSome(socket);
        if (part === "") throw new Error(`broken after ${this.count} texts`);
        answer += part;
      }
      if (answer !== text + text) throw new Error(`"${text}" came back as "${answer}"`);
    }
    socket.destroy();
  }
}

describe.runIf(canUseNetns(process.env))("an upgrade", () => {
  it("breaks no open connection, however often it is done, and goes on taking new ones", async () => {
    const env = { CONNECTION_TERMINATION_DEADLINE: "10m" };
    await using mesh: Mesh = await startMesh({ nodes: { n1: ["client", "server"], n2: ["far"] }, env });
    for (const pod of ["server", "far"]) await mesh.echo(pod);
    const address = (pod: string): string => mesh.pod(pod).address;
    const open = (at: number): Promise<Socket> =>
      mesh.connect("client", address(at % 2 === 0 ? "server" : "far"), 8080);
    const idle = await Promise.all(Array.from({ length: IDLE }, (_, at) => open(at)));
    for (const socket of idle) {
      socket.write("x");
      expect(await readSome(socket)).toBe("xx");
    }
    const busy = await Promise.all(Array.from({ length: BUSY }, async (_, at) => new Talker(await open(at))));
    const done = new AbortController();
    let requests = 0;
    let resets = 0;
    const newcomer = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const request = requests++;
        const ask = (): Promise<string> =>
          mesh.request("client", address(request % 2 === 0 ? "server" : "far"), 8080, "new");
        // Without a free core, one that is being made at the very moment of the change may be reset; the next one may not.
        const answer = await ask().catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "ECONNRESET") throw error;
          resets++;
          return ask();
        });
        if (answer !== "newnew") throw new Error(`request ${request} was answered "${answer}"`);
      }
    };
    const newcomers = Promise.all(Array.from({ length: NEWCOMERS }, newcomer));
    const stopping: Promise<void>[] = [];
    for (let upgrade = 0; upgrade < UPGRADES; upgrade++) {
      for (const name of ["n1", "n2"]) {
        const old = mesh.node(name).ztunnel;
        const counted = requests;
        await mesh.startNode(name);
        stopping.push(Promise.resolve(old?.stop()));
        await expect.poll(() => requests).toBeGreaterThan(counted + 50);
      }
    }
    done.abort();
    await newcomers;
    expect(resets, "connections reset while they were being made").toBeLessThanOrEqual(2 * UPGRADES);
    for (const socket of idle) {
      socket.write("y");
      expect(await readSome(socket)).toBe("yy");
      socket.destroy();
    }
    for (const talker of busy) {
      const before = talker.count;
      await talker.stop();
      expect(before).toBeGreaterThan(0);
    }
    // The old ones end by themselves once their last connection has.
    await Promise.all(stopping);
  });
});
