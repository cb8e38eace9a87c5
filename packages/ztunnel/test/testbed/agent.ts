// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { WorkloadRequestSchema, WorkloadResponseSchema } from "@ambientmesh/api/zds";
import { TaskGroup } from "@ambientmesh/core";
import {
  linuxErrors,
  listenSeqpacket,
  type NetnsRef,
  type SeqpacketConnection,
  type SeqpacketListener,
} from "@ambientmesh/linux";

/** A pod as the CNI agent knows it. */
export interface AgentPod {
  readonly uid: string;
  readonly name: string;
  readonly netns: NetnsRef;
}

/** A CNI agent for tests: tells each proxy of all its pods, then of what changes. */
export class Agent implements AsyncDisposable {
  readonly pods = new Map<string, AgentPod>();
  /** Answers of the proxy, in order; empty is success. */
  readonly acks: string[] = [];
  /** First messages of the proxies. */
  readonly hellos: Buffer[] = [];
  readonly #listener: SeqpacketListener;
  readonly #tasks = new TaskGroup({ onCrash: (_task, error) => this.acks.push(`agent: ${error.message}`) });
  #connection: SeqpacketConnection | undefined;
  #gate: PromiseWithResolvers<void> | undefined;

  constructor(path: string) {
    this.#listener = listenSeqpacket({ path });
    this.#tasks.run("accept", (signal) => this.#accept(signal));
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Adds a pod, telling the proxy if it is there. */
  async add(pod: AgentPod): Promise<string> {
    this.pods.set(pod.uid, pod);
    return this.#connection ? this.#tellAdd(this.#connection, pod) : "";
  }

  async remove(uid: string): Promise<string> {
    this.pods.delete(uid);
    return this.send({ payload: { case: "del", value: { uid } } });
  }

  /** Sends a request and waits for its answer. */
  async send(request: MessageInitShape<typeof WorkloadRequestSchema>, fds: readonly number[] = []): Promise<string> {
    return this.sendBytes(toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, request)), fds);
  }

  /** Sends any bytes and waits for the answer. */
  async sendBytes(bytes: Uint8Array, fds: readonly number[] = []): Promise<string> {
    if (!this.#connection) throw new Error("no proxy is connected");
    return this.#exchange(this.#connection, bytes, fds);
  }

  /** Lets proxies that come wait before it tells them anything. */
  pause(): void {
    this.#gate = Promise.withResolvers();
  }

  resume(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  /** Hangs up; the proxy comes back by itself. */
  hangUp(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    this.#listener.close();
    this.hangUp();
    await this.#tasks[Symbol.asyncDispose]();
  }

  async #accept(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let connection: SeqpacketConnection;
      try {
        connection = await this.#listener.accept(signal);
      } catch {
        return; // the listener was closed with the agent
      }
      const hello = await connection.receive(signal);
      this.hellos.push(hello?.data ?? Buffer.alloc(0));
      await this.#gate?.promise;
      for (const pod of this.pods.values()) await this.#tellAdd(connection, pod);
      await this.#exchange(connection, Buffer.from([0x1a, 0x00]), []);
      this.#connection = connection;
    }
  }

  #tellAdd(connection: SeqpacketConnection, { uid, name, netns }: AgentPod): Promise<string> {
    const workloadInfo = { name, namespace: "default", serviceAccount: name };
    const request = create(WorkloadRequestSchema, { payload: { case: "add", value: { uid, workloadInfo } } });
    return this.#exchange(connection, toBinary(WorkloadRequestSchema, request), [netns.fd]);
  }

  async #exchange(connection: SeqpacketConnection, bytes: Uint8Array, fds: readonly number[]): Promise<string> {
    let answer = "the proxy hung up";
    try {
      await connection.send(bytes, { fds });
      const message = await connection.receive();
      if (message) answer = fromBinary(WorkloadResponseSchema, message.data).payload.value?.error ?? "no ack";
    } catch (error) {
      if (!linuxErrors.is(error)) throw error;
    }
    this.acks.push(answer);
    return answer;
  }
}
