// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import { messageOf } from "@ambientmesh/core";
import { cniErrors } from "../errors.ts";
import type { PodReference } from "../pods/pod-directory.ts";

/** A sandbox that was made. */
export interface AddRequest {
  readonly pod: PodReference;
  /** Path of its network namespace on the node. */
  readonly netns: string;
  /** As the plugins before us have configured them. */
  readonly addresses: readonly string[];
  /** Told by our plugin, not by Istio's. */
  readonly sandboxId: string | undefined;
}

/** A sandbox that is taken down. */
export interface DeleteRequest {
  readonly pod: PodReference;
  readonly sandboxId: string;
}

const MAX_TEXT = 4096;
const MAX_ADDRESSES = 32;

/**
 * Reads the body of `/cmdadd`: that of Istio 1.31 (Netns, PodName, PodNamespace, IPs), to which our plugin adds PodUID and
 * SandboxID.
 * @throws MeshError CNI_REQUEST_INVALID
 */
export function parseAddRequest(body: string): AddRequest {
  const fields = parseObject(body);
  return {
    pod: podOf(fields),
    netns: text(fields, "Netns"),
    addresses: addressesIn(fields["IPs"] ?? []),
    sandboxId: optionalText(fields, "SandboxID"),
  };
}

/** Reads the body of `/cmddel`: PodName, PodNamespace, PodUID and SandboxID. @throws MeshError CNI_REQUEST_INVALID */
export function parseDeleteRequest(body: string): DeleteRequest {
  const fields = parseObject(body);
  return { pod: podOf(fields), sandboxId: text(fields, "SandboxID") };
}

type Fields = Readonly<Record<string, unknown>>;

function parseObject(body: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw invalid(`it is no JSON: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("it is no JSON object");
  return value as Fields;
}

function podOf(fields: Fields): PodReference {
  return {
    name: text(fields, "PodName"),
    namespace: text(fields, "PodNamespace"),
    uid: optionalText(fields, "PodUID"),
  };
}

function text(fields: Fields, name: string): string {
  const value = optionalText(fields, name);
  if (value === undefined) throw invalid(`${name} is missing`);
  return value;
}

/** Empty means unset, as in Go's JSON. */
function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? "";
  if (typeof value !== "string" || value.length > MAX_TEXT || value.includes("\0")) throw invalid(`${name} is no text`);
  return value === "" ? undefined : value;
}

function addressesIn(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > MAX_ADDRESSES) {
    throw invalid(`IPs is no list of up to ${MAX_ADDRESSES} addresses`);
  }
  return value.map((entry: { readonly Address?: { readonly IP?: unknown } | null } | null, index) => {
    const address = entry?.Address?.IP;
    if (typeof address === "string" && isIP(address) !== 0) return address;
    throw invalid(`IPs[${index}].Address.IP is no IP address`);
  });
}

function invalid(problem: string): Error {
  return cniErrors.create("CNI_REQUEST_INVALID", `the request can't be read: ${problem}`);
}
