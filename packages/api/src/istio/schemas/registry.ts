// SPDX-License-Identifier: Apache-2.0
import type { ServiceEntryPort, ServiceEntrySpec, WorkloadEntrySpec } from "../registry.ts";
import { fields, limited, listOf, mapOf, oneOf, text, texts, uint32, type FieldSchema } from "./field-schema.ts";

const MAX_HOSTS = 256;
const MAX_PORTS = 256;
const MAX_ENDPOINTS = 4096;
const MAX_ENTRY_PORTS = 128;
const MAX_LABELS = 256;

export const workloadEntrySpec: FieldSchema<WorkloadEntrySpec> = fields<WorkloadEntrySpec>({
  address: limited(text, { maxLength: 256 }),
  ports: mapOf(uint32, { maxProperties: MAX_ENTRY_PORTS }),
  labels: mapOf(text, { maxProperties: MAX_LABELS }),
  network: limited(text, { maxLength: 2048 }),
  locality: limited(text, { maxLength: 2048 }),
  weight: uint32,
  serviceAccount: limited(text, { maxLength: 253 }),
});

const port = fields<ServiceEntryPort>(
  {
    number: uint32,
    name: limited(text, { maxLength: 256 }),
    protocol: limited(text, { maxLength: 256 }),
    targetPort: uint32,
  },
  "number",
  "name",
);

export const serviceEntrySpec: FieldSchema<ServiceEntrySpec> = fields<ServiceEntrySpec>(
  {
    hosts: limited(texts, { minItems: 1, maxItems: MAX_HOSTS }),
    addresses: listOf(limited(text, { maxLength: 64 }), { maxItems: MAX_HOSTS }),
    ports: listOf(port, {
      maxItems: MAX_PORTS,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
    }),
    location: oneOf("MESH_EXTERNAL", "MESH_INTERNAL"),
    resolution: oneOf("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"),
    endpoints: listOf(workloadEntrySpec, { maxItems: MAX_ENDPOINTS }),
    workloadSelector: fields<{ readonly labels?: Readonly<Record<string, string>> }>({
      labels: mapOf(limited(text, { maxLength: 63 }), { maxProperties: MAX_LABELS }),
    }),
    exportTo: texts,
    subjectAltNames: texts,
  },
  "hosts",
);
