// SPDX-License-Identifier: Apache-2.0
import type { Secret } from "@ambientmesh/api/kubernetes";
import { ISTIO_FILES, materialFromFiles, materialToFiles, type AuthorityMaterial } from "@ambientmesh/ca";
import { RESOURCES, kubeErrors, type KubeClient } from "@ambientmesh/kube";
import { errors } from "../errors.ts";
import type { AuthorityStore, StoredAuthority } from "./self-signed-authority.ts";

/** Where Istio keeps a root that it made itself (Istio 1.31). */
export const AUTHORITY_SECRET = "istio-ca-secret";
const TYPE = "istio.io/ca-root";
/** Istio writes these keys too, empty: they belong to workload Secrets of the same layout. */
const ALSO_WRITTEN = { "cert-chain.pem": "", "key.pem": "" };

/** The self-made root in a Secret, which the API server lets one replica create. */
export function authoritySecret(client: KubeClient, namespace: string): AuthorityStore {
  const ref = { namespace, name: AUTHORITY_SECRET };
  return {
    async load(signal) {
      const secret = await client.find(RESOURCES.Secret, ref, signalOption(signal));
      return (
        secret && {
          material: materialOf(secret, `${namespace}/${AUTHORITY_SECRET}`),
          resourceVersion: versionOf(secret),
        }
      );
    },
    async create(material, signal) {
      const object = { metadata: ref, type: TYPE, data: encode(material) };
      return unless("KUBE_ALREADY_EXISTS", client.create(RESOURCES.Secret, object, signalOption(signal)));
    },
    async replace({ resourceVersion }: StoredAuthority, material, signal) {
      const object: Secret = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { ...ref, resourceVersion },
        type: TYPE,
        data: encode(material),
      };
      return unless("KUBE_CONFLICT", client.replace(RESOURCES.Secret, object, signalOption(signal)));
    },
  };
}

function signalOption(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

/** False if the call was refused for this reason, which means that another replica was faster. */
async function unless(code: "KUBE_ALREADY_EXISTS" | "KUBE_CONFLICT", call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (kubeErrors.is(error, code)) return false;
    throw error;
  }
}

function versionOf({ metadata }: Secret): string {
  return metadata.resourceVersion ?? "";
}

function materialOf({ data = {} }: Secret, where: string): AuthorityMaterial {
  const files = Object.fromEntries(
    Object.entries(data).map(([name, base64]) => [name, Buffer.from(base64, "base64").toString("utf8")]),
  );
  // The chain may be absent: a root has nothing above it.
  const chain = files[ISTIO_FILES.certificatePem] === undefined ? {} : { [ISTIO_FILES.chainPem]: "" };
  const material = materialFromFiles({ ...chain, ...files }, `Secret ${where}`);
  if (material) return material;
  throw errors.create(
    "ISTIOD_AUTHORITY_MISSING",
    `Secret ${where} is there but holds no certificate authority; delete or repair it`,
  );
}

function encode(material: AuthorityMaterial): Record<string, string> {
  const files = { ...ALSO_WRITTEN, ...materialToFiles(material) };
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString("base64")]));
}
