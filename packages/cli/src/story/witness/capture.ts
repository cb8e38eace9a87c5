// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { cliErrors } from "../../errors.ts";
import type { LocalMesh } from "../../local/mesh.ts";
import { tcpSegments, type TcpSegment } from "./pcap.ts";

/** More than this is not kept of one capture. */
const MAX_BYTES = 64 * 1024 * 1024;
/** What tcpdump has not read by then is lost when it is stopped. */
const QUIET_MS = 100;
const MAX_QUIET_WAIT_MS = 2000;

/**
 * A tcpdump on the link between the nodes, from its start until {@link Capture.stop}.
 * Sees only traffic from and to pods.
 */
export class Capture {
  readonly #mesh: LocalMesh;
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  #lastAtMs = performance.now();

  private constructor(mesh: LocalMesh, child: ChildProcess) {
    this.#mesh = mesh;
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#lastAtMs = performance.now();
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
      // Else packets wait up to a second for others, and are lost when tcpdump is stopped meanwhile.
      "--immediate-mode",
      "-s",
      "0",
      "-Z",
      "root",
      "-w",
      "-",
      filter,
    ]);
    const capture = new Capture(mesh, child);
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

  /** Ends the capture when nothing comes any more, and returns what was seen. */
  async stop(): Promise<Sighting> {
    const until = performance.now() + MAX_QUIET_WAIT_MS;
    await this.#mesh.waitFor("the link to be quiet", MAX_QUIET_WAIT_MS * 2, async () => {
      const now = performance.now();
      return now - this.#lastAtMs > QUIET_MS || now > until ? true : undefined;
    });
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
