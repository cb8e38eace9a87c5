// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from "@ambientmesh/api/zds";
import {
  connectSeqpacket,
  linuxErrors,
  netnsFromFd,
  sameNetns,
  type Netns,
  type SeqpacketConnection,
} from "@ambientmesh/linux";
import { PodProxy, type PodProxyOptions } from "./pod-proxy.ts";
import { eventually } from "./eventually.ts";

/** A pod that the proxy was handed. */
interface Served {
  readonly netns: Netns;
  readonly proxy: PodProxy;
}

export interface FakeZtunnelOptions extends PodProxyOptions {
  /** Only takes note: another one is serving the pods. */
  readonly isObserver?: boolean;
  /** What to answer to a message ("add uid-a"): nothing for success, an error, or never ("silent"). */
  readonly answer?: (message: string) => string | undefined;
}

/** The node proxy's end of ZDS, with a {@link PodProxy} in each pod it is handed. */
export class FakeZtunnel implements AsyncDisposable {
  /** "add a shop/cart default", "keep a", "del a", "snapshot" */
  readonly messages: string[] = [];
  readonly #options: FakeZtunnelOptions;
  readonly #pods = new Map<string, Served>();
  readonly #done: Promise<void>;
  readonly #connection: SeqpacketConnection;
  hasEnded = false;

  private constructor(connection: SeqpacketConnection, options: FakeZtunnelOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#done = this.#serve();
  }

  static async connect(path: string, options: FakeZtunnelOptions = {}): Promise<FakeZtunnel> {
    const connection = connectSeqpacket(path);
    await connection.send(toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 })));
    return new FakeZtunnel(connection, options);
  }

  /** What the proxy in a pod has seen. */
  seen(uid: string): readonly string[] {
    return this.#pods.get(uid)?.proxy.seen ?? [];
  }

  /** Stops listening in a pod, and tells nobody. */
  async abandon(uid: string): Promise<void> {
    await this.#release(uid);
  }

  get uids(): readonly string[] {
    return [...this.#pods.keys()].toSorted();
  }

  async whenSynced(): Promise<void> {
    await eventually("the snapshot", () => this.messages.includes("snapshot"));
  }

  /** Ends the connection; the pods' proxies go on until the whole is disposed, as they do when the agent is away. */
  async disconnect(): Promise<void> {
    this.#connection.close();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
    for (const uid of this.uids) await this.#release(uid);
  }

  async #serve(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#connection.receive();
        if (!message) return;
        const text = await this.#carryOut(message.data, message.fds);
        const error = this.#options.answer?.(text) ?? "";
        if (error === "silent") continue;
        const response = create(WorkloadResponseSchema, { payload: { case: "ack", value: { error } } });
        await this.#connection.send(toBinary(WorkloadResponseSchema, response));
      }
    } catch (error) {
      if (!linuxErrors.is(error, "LINUX_SEQPACKET_CLOSED")) throw error;
    } finally {
      this.hasEnded = true;
    }
  }

  async #carryOut(data: Uint8Array, fds: readonly number[]): Promise<string> {
    const { payload } = fromBinary(WorkloadRequestSchema, data);
    const text = describe(payload);
    this.messages.push(text);
    if (payload.case === "add") {
      const [fd] = fds;
      if (fd === undefined) throw new Error("an add came without a descriptor");
      await this.#add(payload.value.uid, netnsFromFd(fd), this.#isLeftAlone(text));
    }
    if (payload.case === "del") await this.#release(payload.value.uid);
    return text;
  }

  #isLeftAlone(text: string): boolean {
    return this.#options.isObserver === true || this.#options.answer?.(text) !== undefined;
  }

  async #add(uid: string, netns: Netns, isRefused: boolean): Promise<void> {
    const present = this.#pods.get(uid);
    if (isRefused || (present && sameNetns(present.netns, netns))) {
      netns[Symbol.dispose]();
      return;
    }
    await this.#release(uid);
    const proxy = new PodProxy(netns);
    await proxy.start(this.#options);
    this.#pods.set(uid, { netns, proxy });
  }

  async #release(uid: string): Promise<void> {
    const served = this.#pods.get(uid);
    this.#pods.delete(uid);
    await served?.proxy[Symbol.asyncDispose]();
    served?.netns[Symbol.dispose]();
  }
}

function describe(payload: ReturnType<typeof fromBinary<typeof WorkloadRequestSchema>>["payload"]): string {
  switch (payload.case) {
    case "add": {
      const { uid, workloadInfo } = payload.value;
      return `add ${uid} ${workloadInfo?.namespace}/${workloadInfo?.name} ${workloadInfo?.serviceAccount}`;
    }
    case "del":
      return `del ${payload.value.uid}`;
    case "keep":
      return `keep ${payload.value.uid}`;
    case "snapshotSent":
      return "snapshot";
    case undefined:
      return "nothing";
  }
}
