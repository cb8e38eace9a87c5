// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { cliErrors } from "../../errors.ts";
import type { LocalMesh } from "../../local/mesh.ts";
import { tcpSegments, type TcpSegment } from "./pcap.ts";

/** More than this is not kept of one capture. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * A tcpdump on the link between the nodes, from its start until {@link Capture.stop}.
 * Sees only traffic from and to pods.
 */
export class Capture {
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes <= MAX_BYTES) this.#chunks.push(chunk);
    });
  }

  /**
   * Resolves when tcpdump captures.
   * @throws MeshError CLI_CAPTURE_FAILED with what tcpdump said when it ends instead.
   */
  static async start(mesh: LocalMesh): Promise<Capture> {
    const filter = "tcp and net 10.244.0.0/16";
    const child = mesh.spawn({ kind: "fabric" }, [
      "tcpdump",
      "-i",
      "br0",
      "-n",
      "-U",
      "-s",
      "0",
      "-Z",
      "root",
      "-w",
      "-",
      filter,
    ]);
    const capture = new Capture(child);
    let said = "";
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.stderr?.on("data", (chunk: Buffer) => {
      if (said.length < 4096) said += chunk.toString();
      if (said.includes("listening on")) resolve();
    });
    const fail = (): void => reject(cliErrors.create("CLI_CAPTURE_FAILED", `tcpdump ended: ${said.trim()}`));
    child.once("error", fail);
    child.once("exit", fail);
    await promise;
    return capture;
  }

  /** Ends the capture and returns what was seen. */
  async stop(): Promise<Sighting> {
    const exited = this.#child.exitCode === null ? once(this.#child, "close") : Promise.resolve();
    this.#child.kill("SIGINT");
    await exited;
    if (this.#bytes > MAX_BYTES) {
      throw cliErrors.create("CLI_CAPTURE_FAILED", `the capture grew beyond ${MAX_BYTES} bytes`);
    }
    return new Sighting(tcpSegments(Buffer.concat(this.#chunks)));
  }
}

/** What crossed the link between the nodes. */
export class Sighting {
  readonly segments: readonly TcpSegment[];

  constructor(segments: readonly TcpSegment[]) {
    this.segments = segments;
  }

  /** How many segments carry the text in clear. */
  occurrences(text: string): number {
    return this.segments.filter(({ payload }) => payload.includes(text)).length;
  }

  /** Connections whose segments neither come from nor go to a port, as "from > to". */
  besidePort(port: number): readonly string[] {
    const others = this.segments
      .filter(({ sourcePort, destinationPort }) => sourcePort !== port && destinationPort !== port)
      .map(
        ({ source, sourcePort, destination, destinationPort }) =>
          `${source}:${sourcePort} > ${destination}:${destinationPort}`,
      );
    return [...new Set(others)];
  }

  /** The first payload of each direction of each connection that was opened to a port. */
  firstPayloads(port: number): readonly TcpSegment[] {
    const first = new Map<string, TcpSegment>();
    for (const segment of this.segments) {
      if (segment.payload.length === 0) continue;
      if (segment.sourcePort !== port && segment.destinationPort !== port) continue;
      const direction = `${segment.source}:${segment.sourcePort}>${segment.destination}:${segment.destinationPort}`;
      if (!first.has(direction)) first.set(direction, segment);
    }
    return [...first.values()];
  }
}
