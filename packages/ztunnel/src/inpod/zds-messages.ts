// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from "@ambientmesh/api/zds";
import { messageOf } from "@ambientmesh/core";
import { netnsFromFd, type Netns, type SeqpacketMessage } from "@ambientmesh/linux";
import { ztunnelErrors } from "../errors.ts";
import type { LocalWorkloadName } from "../state/workload-store.ts";

/** What the CNI agent asks for. */
export type ZdsRequest =
  /** The namespace belongs to whoever takes the request. */
  | { readonly kind: "add"; readonly uid: string; readonly workload: LocalWorkloadName; readonly netns: Netns }
  | { readonly kind: "keep"; readonly uid: string }
  | { readonly kind: "delete"; readonly uid: string }
  | { readonly kind: "snapshot-sent" };

/** First message of a connection (protocol version 1). */
export function encodeHello(): Uint8Array {
  return toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 }));
}

/** Acknowledges one request; an empty text is success. */
export function encodeAck(error: string): Uint8Array {
  return toBinary(
    WorkloadResponseSchema,
    create(WorkloadResponseSchema, { payload: { case: "ack", value: { error } } }),
  );
}

/**
 * Reads one datagram. A namespace comes with "add" and with nothing else; what came wrongly is closed.
 * @throws MeshError ZTUNNEL_ZDS_MESSAGE
 */
export function decodeRequest({ data, fds }: SeqpacketMessage): ZdsRequest {
  try {
    const request = requestOf(data, fds);
    if (request.kind !== "add" && fds.length > 0) throw malformed(`${request.kind} came with a file descriptor`);
    return request;
  } catch (error) {
    // netnsFromFd has closed a descriptor that is no namespace.
    if (!ztunnelErrors.is(error, "ZTUNNEL_ZDS_NETNS")) fds.forEach((fd) => closeSync(fd));
    throw error;
  }
}

function requestOf(data: Buffer, fds: readonly number[]): ZdsRequest {
  const { payload } = parse(data);
  switch (payload.case) {
    case "add": {
      const { uid, workloadInfo } = payload.value;
      const [fd] = fds;
      if (fd === undefined || fds.length > 1)
        throw malformed(`add of ${uid} came with ${fds.length} descriptors, not one`);
      if (uid === "" || !workloadInfo) throw malformed(`add of "${uid}" lacks the workload's uid or name`);
      const { name, namespace, serviceAccount } = workloadInfo;
      return { kind: "add", uid, workload: { name, namespace, serviceAccount }, netns: netnsOf(uid, fd) };
    }
    case "keep":
      return { kind: "keep", uid: payload.value.uid };
    case "del":
      return { kind: "delete", uid: payload.value.uid };
    case "snapshotSent":
      return { kind: "snapshot-sent" };
    case undefined:
      throw malformed("a message says nothing");
  }
}

function parse(data: Buffer): ReturnType<typeof fromBinary<typeof WorkloadRequestSchema>> {
  try {
    return fromBinary(WorkloadRequestSchema, data);
  } catch (error) {
    throw malformed(`a message of ${data.length} bytes is not a WorkloadRequest: ${messageOf(error)}`);
  }
}

function netnsOf(uid: string, fd: number): Netns {
  try {
    return netnsFromFd(fd);
  } catch (error) {
    throw ztunnelErrors.create("ZTUNNEL_ZDS_NETNS", `add of ${uid}: ${messageOf(error)}`, { cause: error });
  }
}

function malformed(text: string): Error {
  return ztunnelErrors.create("ZTUNNEL_ZDS_MESSAGE", `the CNI agent sent something wrong: ${text}`);
}
