// SPDX-License-Identifier: Apache-2.0
import { create, toBinary } from "@bufbuild/protobuf";
import { AddressSchema, type Service, type Workload } from "@ambientmesh/api/workload";
import type { ResourceInput } from "@ambientmesh/xds";
import { addressText } from "./ip-address.ts";
import { addressAlias, nodeKey, serviceResourceName } from "./names.ts";

/** A workload as a resource: found by uid, by address, by its services and by its node. */
export function workloadResource(workload: Workload): ResourceInput {
  const { uid, network, addresses, services, node } = workload;
  return {
    name: uid,
    value: toBinary(AddressSchema, create(AddressSchema, { type: { case: "workload", value: workload } })),
    aliases: addresses.map((address) => addressAlias(network, addressText(address))),
    keys: [...Object.keys(services), ...(node === "" ? [] : [nodeKey(node)])],
  };
}

/** A service as a resource: found by "namespace/hostname" and by its virtual addresses. */
export function serviceResource(service: Service): ResourceInput {
  const { namespace, hostname, addresses } = service;
  return {
    name: serviceResourceName(namespace, hostname),
    value: toBinary(AddressSchema, create(AddressSchema, { type: { case: "service", value: service } })),
    aliases: addresses.map(({ network, address, length }) => addressAlias(network, addressText(address), length)),
    keys: [],
  };
}

/** True if the two would be the same to every client. */
export function isSameInput(a: ResourceInput, b: ResourceInput): boolean {
  return (
    Buffer.compare(a.value, b.value) === 0 &&
    isSameList(a.aliases ?? [], b.aliases ?? []) &&
    isSameList(a.keys ?? [], b.keys ?? [])
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at]);
}
