// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cliErrors } from "../../errors.ts";
import type { LocalMesh } from "../../local/mesh.ts";
import { tcpSegments, type TcpSegment } from "./pcap.ts";

/** More than this is not kept of one capture. */
const MAX_BYTES = 64 * 1024 * 1024;
/** What was not read by then is lost when it is stopped. */
const QUIET_MS = 100;
const MAX_QUIET_WAIT_MS = 2000;

const DEVICE = "br0";
const POD_PREFIX = "10.244.";
const MAX_SAID = 4096;

/** Who looks at the link. */
interface Witness {
  readonly name: string;
  readonly argv: readonly string[];
}

const TCPDUMP: Witness = {
  name: "tcpdump",
  // Without immediate mode packets wait up to a second for others, and are lost when tcpdump is stopped meanwhile.
  argv: ["tcpdump", "-i", DEVICE, "-n", "-U", "--immediate-mode", "-s", "0", "-Z", "root", "-w", "-", "tcp"],
};
/** Where tcpdump can't give up the rights of root, as it wants to first, because there is no other user. */
const PACKET_SOCKET: Witness = { name: "a packet socket", argv: recordFramesCommand() };
const NO_OTHER_USER = "Couldn't change to";

function recordFramesCommand(): readonly string[] {
  const isSource = import.meta.url.endsWith(".ts");
  const path = fileURLToPath(new URL(`./record-frames.${isSource ? "ts" : "js"}`, import.meta.url));
  return [process.execPath, ...(isSource ? ["--conditions=@ambientmesh/source"] : []), path, DEVICE];
}

/** A witness on the link between the nodes, from its start until {@link Capture.stop}. */
export class Capture {
  readonly #mesh: LocalMesh;
  readonly #witness: Witness;
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #said = "";
  #lastAtMs = performance.now();

  private constructor(mesh: LocalMesh, witness: Witness) {
    this.#mesh = mesh;
    this.#witness = witness;
    this.#child = mesh.spawn({ kind: "fabric" }, witness.argv);
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#lastAtMs = performance.now();
      this.#bytes += chunk.length;
      if (this.#bytes <= MAX_BYTES) this.#chunks.push(chunk);
    });
  }

  /**
   * Resolves when the link is being watched.
   * @throws MeshError CLI_CAPTURE_FAILED with what tcpdump said when it ends instead.
   */
  static async start(mesh: LocalMesh): Promise<Capture> {
    const capture = new Capture(mesh, TCPDUMP);
    if (await capture.#isListening()) return capture;
    if (!capture.#said.includes(NO_OTHER_USER)) throw capture.#failed();
    const other = new Capture(mesh, PACKET_SOCKET);
    if (await other.#isListening()) return other;
    throw other.#failed();
  }

  async #isListening(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      if (this.#said.length < MAX_SAID) this.#said += chunk.toString();
      if (this.#said.includes("listening on")) resolve(true);
    });
    this.#child.once("error", () => resolve(false));
    this.#child.once("close", () => resolve(false));
    return promise;
  }

  #failed(): Error {
    return cliErrors.create("CLI_CAPTURE_FAILED", `${this.#witness.name} ended: ${this.#said.trim()}`);
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
    return new Sighting(this.#witness.name, tcpSegments(Buffer.concat(this.#chunks)));
  }
}

/** What crossed the link between the nodes, from and to pods. */
export class Sighting {
  /** Who saw it. */
  readonly witness: string;
  readonly segments: readonly TcpSegment[];

  constructor(witness: string, segments: readonly TcpSegment[]) {
    this.witness = witness;
    this.segments = segments.filter(({ source, destination }) =>
      [source, destination].some((address) => address.startsWith(POD_PREFIX)),
    );
  }

  /** How many segments carry the text in clear. */
  occurrences(text: string): number {
    return this.segments.filter(({ payload }) => payload.includes(text)).length;
  }

  /**
   * Who opened connections or sent bytes that neither come from nor go to a port, as "from > to". The last farewells of
   * connections that were there before the capture carry no bytes, and do not count.
   */
  besidePort(port: number): readonly string[] {
    const others = this.segments
      .filter(({ sourcePort, destinationPort }) => sourcePort !== port && destinationPort !== port)
      .filter(({ isSyn, payload }) => isSyn || payload.length > 0)
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
