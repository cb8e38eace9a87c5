// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "./meta.ts";

/** A webhook of a ValidatingWebhookConfiguration; fields that the mesh does not look at are kept. */
export interface ValidatingWebhook {
  readonly name: string;
  readonly clientConfig?: {
    /** PEM in base64. */
    readonly caBundle?: string;
    readonly service?: {
      readonly namespace: string;
      readonly name: string;
      readonly path?: string;
      readonly port?: number;
    };
    readonly url?: string;
  };
}

/** admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration. */
export interface ValidatingWebhookConfiguration extends KubernetesObject {
  readonly apiVersion: "admissionregistration.k8s.io/v1";
  readonly kind: "ValidatingWebhookConfiguration";
  readonly webhooks?: readonly ValidatingWebhook[];
}
