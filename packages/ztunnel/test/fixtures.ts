// SPDX-License-Identifier: Apache-2.0
import { assert, type IProperty } from "fast-check";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ServiceSchema, WorkloadSchema, type GatewayAddressSchema } from "@ambientmesh/api/workload";
import { systemClock } from "@ambientmesh/core";
import { ipToBytes } from "../src/net/address.ts";
import { decodeService } from "../src/state/decode-service.ts";
import { decodeWorkload } from "../src/state/decode-workload.ts";
import { MeshState, type AddressResource } from "../src/state/mesh-state.ts";
import type { Service, Workload } from "../src/state/model.ts";

type WorkloadInit = Omit<MessageInitShape<typeof WorkloadSchema>, "addresses" | "$typeName">;
type ServiceInit = Omit<MessageInitShape<typeof ServiceSchema>, "addresses" | "$typeName">;

/** A workload by its addresses; the rest as a plain pod in the mesh. */
export function workload(name: string, addresses: readonly string[], rest: WorkloadInit = {}): Workload {
  const decoded = decodeWorkload(
    create(WorkloadSchema, {
      uid: `Kubernetes//Pod/default/${name}`,
      name,
      namespace: "default",
      serviceAccount: name,
      tunnelProtocol: 1,
      node: "node-a",
      workloadName: name,
      canonicalName: name,
      canonicalRevision: "v1",
      workloadType: 2,
      ...rest,
      addresses: addresses.map((ip) => ipToBytes(ip)),
    }),
  );
  if (!decoded.ok) throw new Error(decoded.reason);
  return decoded.value;
}

/** A service by its addresses (`10.0.0.1` or `10.0.0.0/24`, in network ""). */
export function service(name: string, addresses: readonly string[], rest: ServiceInit = {}): Service {
  const decoded = decodeService(
    create(ServiceSchema, {
      name,
      namespace: "default",
      hostname: `${name}.default.svc.cluster.local`,
      ports: [{ servicePort: 80, targetPort: 8080 }],
      ...rest,
      addresses: addresses.map((text) => {
        const [ip = "", length] = text.split("/");
        return { network: "", address: ipToBytes(ip), ...(length !== undefined && { length: Number(length) }) };
      }),
    }),
  );
  if (!decoded.ok) throw new Error(decoded.reason);
  return decoded.value;
}

/** Membership of a workload in services of namespace default. */
export function partOf(...names: readonly string[]): NonNullable<WorkloadInit["services"]> {
  return Object.fromEntries(
    names.map((name) => [
      `default/${name}.default.svc.cluster.local`,
      { ports: [{ servicePort: 80, targetPort: 8080 }] },
    ]),
  );
}

export function gatewayAt(ip: string, port = 15_008, network = ""): MessageInitShape<typeof GatewayAddressSchema> {
  return { destination: { case: "address", value: { network, address: ipToBytes(ip) } }, hboneMtlsPort: port };
}

export function gatewayNamed(
  name: string,
  port = 15_008,
  namespace = "default",
): MessageInitShape<typeof GatewayAddressSchema> {
  return {
    destination: { case: "hostname", value: { namespace, hostname: name } },
    hboneMtlsPort: port,
  };
}

/** A state that holds the given objects, of node "node-a". */
export function stateOf(...objects: readonly (Workload | Service)[]): MeshState {
  const state = new MeshState({ clock: systemClock }, { localNode: "node-a" });
  state.applyAddresses(objects.map(resourceOf), []);
  return state;
}

export function resourceOf(object: Workload | Service): AddressResource {
  return "uid" in object ? { kind: "workload", workload: object } : { kind: "service", service: object };
}

/** True if a property holds; throws the counterexample otherwise. */
export function holds<T>(property: IProperty<T>): boolean {
  assert(property);
  return true;
}
