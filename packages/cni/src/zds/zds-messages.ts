// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from "@ambientmesh/api/zds";
import { messageOf } from "@ambientmesh/core";
import { cniErrors } from "../errors.ts";

/** Who a pod is, as the node proxy needs to know. */
export interface ZdsWorkload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** "Take this pod over"; its network namespace travels beside the message. */
export function encodeAdd({ uid, name, namespace, serviceAccount }: ZdsWorkload): Uint8Array {
  return encode({ case: "add", value: { uid, workloadInfo: { name, namespace, serviceAccount } } });
}

/** "You may have this pod from before; if so, keep it." Only before the end of the snapshot. */
export function encodeKeep(uid: string): Uint8Array {
  return encode({ case: "keep", value: { uid } });
}

/** "Let go of this pod." */
export function encodeDelete(uid: string): Uint8Array {
  return encode({ case: "del", value: { uid } });
}

/** "These were all"; the proxy lets go of pods it was not told of. */
export function encodeSnapshotSent(): Uint8Array {
  return encode({ case: "snapshotSent", value: {} });
}

/**
 * Checks the first message of a proxy.
 * @throws MeshError CNI_ZDS_PROTOCOL if it is no hello, or of a version that is not spoken here
 */
export function checkHello(data: Uint8Array): void {
  const { version } = decode(ZdsHelloSchema, data);
  if (version !== Version.V1) throw protocolError(`it speaks version ${version}, this agent ${Version.V1}`);
}

/**
 * Reads an acknowledgement: the error it carries, empty for success.
 * @throws MeshError CNI_ZDS_PROTOCOL
 */
export function decodeAck(data: Uint8Array): string {
  const { payload } = decode(WorkloadResponseSchema, data);
  if (payload.case === "ack") return payload.value.error;
  throw protocolError("a message acknowledges nothing");
}

/** The typed error for a proxy that does what it must not. */
export function protocolError(text: string): Error {
  return cniErrors.create("CNI_ZDS_PROTOCOL", `the node proxy broke the ZDS protocol: ${text}`);
}

function encode(
  payload: NonNullable<Parameters<typeof create<typeof WorkloadRequestSchema>>[1]>["payload"],
): Uint8Array {
  return toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, payload === undefined ? {} : { payload }));
}

function decode<Schema extends DescMessage>(schema: Schema, data: Uint8Array): MessageShape<Schema> {
  try {
    return fromBinary(schema, data);
  } catch (error) {
    throw protocolError(`${data.length} bytes are no ${schema.name}: ${messageOf(error)}`);
  }
}
