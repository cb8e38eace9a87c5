// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { kubeErrors } from "../../errors.ts";
import { jsonText, type JsonObject } from "../../json/json.ts";
import { jsonHazard } from "../../json/limits.ts";
import { badRequest } from "../objects/refusals.ts";
import { message, readMessage, text, type MessageType } from "./message.ts";
import { deleteOptions, messageTypes } from "./message-types.ts";
import { readFields } from "./wire-reader.ts";

/** The media type of Kubernetes' own envelope around protobuf. */
export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

const MAGIC = Buffer.from("k8s\0", "latin1");
const RAW_FIELD = 2;

/** runtime.Unknown, without its raw bytes. */
const ENVELOPE: MessageType = {
  1: message("typeMeta", { 1: text("apiVersion"), 2: text("kind") }),
  [RAW_FIELD]: { name: "raw", shape: "single", read: () => undefined },
  3: text("contentEncoding"),
  4: text("contentType"),
};

/**
 * Reads an object in Kubernetes' protobuf form: the kinds and fields that clients create which insist on it.
 * @throws MeshError KUBE_UNSUPPORTED_MEDIA_TYPE for other kinds and fields, KUBE_BAD_REQUEST for bytes that are none.
 */
export function decodeProtobufObject(body: Buffer): JsonObject {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC))
    throw badRequest("the body is no Kubernetes protobuf: it does not begin with k8s");
  const { typeMeta, raw } = readEnvelope(body.subarray(MAGIC.length));
  const apiVersion = jsonText(typeMeta["apiVersion"]);
  const kind = jsonText(typeMeta["kind"]);
  const type = kind === "DeleteOptions" ? deleteOptions : messageTypes.get(`${apiVersion}/${kind}`);
  if (type === undefined) throw onlyJson(`${apiVersion} ${kind}`, "the kind is only understood in JSON");
  let fields: JsonObject;
  try {
    fields = readMessage(type, raw);
  } catch (error) {
    throw onlyJson(`${apiVersion} ${kind}`, messageOf(error));
  }
  const hazard = jsonHazard(fields);
  if (hazard !== undefined) throw badRequest(`the body can't be used: ${hazard}`);
  return { apiVersion, kind, ...fields };
}

function readEnvelope(bytes: Buffer): { readonly typeMeta: JsonObject; readonly raw: Buffer } {
  try {
    const { typeMeta } = readMessage(ENVELOPE, bytes);
    const raw = readFields(bytes).find(({ number }) => number === RAW_FIELD);
    return { typeMeta: (typeMeta ?? {}) as JsonObject, raw: raw?.kind === "bytes" ? raw.value : Buffer.alloc(0) };
  } catch (error) {
    throw badRequest(`the body is no Kubernetes protobuf: ${messageOf(error)}`);
  }
}

function onlyJson(what: string, problem: string): Error {
  const message = `the ${what} can't be read as protobuf: ${problem}; send application/json`;
  return kubeErrors.create("KUBE_UNSUPPORTED_MEDIA_TYPE", message);
}
