// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { WorkloadRequestSchema } from "@ambientmesh/api/zds";
import { connectSeqpacket, type MessageLimits, type SeqpacketConnection } from "@ambientmesh/linux";

export const HELLO: Uint8Array = Buffer.from("0801", "hex");
export const ACK: Uint8Array = Buffer.from("0a00", "hex");

export function nack(reason: string): Uint8Array {
  return Buffer.concat([Buffer.from([0x0a, reason.length + 2, 0x0a, reason.length]), Buffer.from(reason)]);
}

/** A node proxy played by hand, message by message. */
export class ZdsPeer implements Disposable {
  readonly connection: SeqpacketConnection;

  constructor(path: string, limits: Partial<MessageLimits> = {}) {
    this.connection = connectSeqpacket(path, limits);
  }

  static async greeting(path: string): Promise<ZdsPeer> {
    const peer = new ZdsPeer(path);
    await peer.connection.send(HELLO);
    return peer;
  }

  /** The next message as text, "add a ino" with the inode of the namespace; "end" when the agent has closed. */
  async next(): Promise<string> {
    const message = await this.connection.receive();
    if (!message) return "end";
    const inodes = message.fds.map((fd) => {
      const { ino } = fstatSync(fd);
      closeSync(fd);
      return ` ${ino}`;
    });
    const { payload } = fromBinary(WorkloadRequestSchema, message.data);
    const uid = payload.case === "snapshotSent" || payload.case === undefined ? "" : ` ${payload.value.uid}`;
    return `${payload.case}${uid}${inodes.join("")}`;
  }

  /** The next message, answered with success. */
  async take(): Promise<string> {
    const text = await this.next();
    await this.connection.send(ACK);
    return text;
  }

  /** All messages up to the end of the snapshot, answered with success. */
  async takeSnapshot(): Promise<readonly string[]> {
    const texts: string[] = [];
    while (texts.at(-1) !== "snapshotSent") texts.push(await this.take());
    return texts.slice(0, -1);
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}
