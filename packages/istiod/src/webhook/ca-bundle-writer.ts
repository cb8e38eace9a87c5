// SPDX-License-Identifier: Apache-2.0
import type { ValidatingWebhookConfiguration } from "@ambientmesh/api/kubernetes";
import type { Clock, CounterSeries, Logger } from "@ambientmesh/core";
import { createInformer, type KubeClient, type Resource } from "@ambientmesh/kube";
import type { AuthorityKeeper } from "../certificates/authority-keeper.ts";
import { KeyedQueue } from "../writers/keyed-queue.ts";

export interface CaBundleWriterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts objects that were given up. */
  readonly failures: CounterSeries;
  readonly keeper: Pick<AuthorityKeeper, "authority" | "subscribe">;
}

const RESOURCE: Resource<ValidatingWebhookConfiguration> = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  isNamespaced: false,
};

/** Keeps in webhook configurations that point at this istiod the root that its certificate chains to. */
export class CaBundleWriter {
  readonly #deps: CaBundleWriterDeps;
  readonly #namespace: string;

  /** `namespace`: of istiod's Service. */
  constructor(deps: CaBundleWriterDeps, namespace: string) {
    this.#deps = deps;
    this.#namespace = namespace;
  }

  /** Writes until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, logger, keeper } = this.#deps;
    const options = { resource: RESOURCE, labelSelector: "app=istiod" };
    await using informer = createInformer<ValidatingWebhookConfiguration>(options, { client, clock, logger });
    await informer.start(signal);
    const queue = new KeyedQueue(this.#deps, {
      work: (name, stop) => this.#write(informer.store.get(name), stop),
    });
    const addAll = (): void => {
      for (const { metadata } of informer.store.values()) queue.add(metadata.name);
    };
    using _configurations = informer.store.subscribe((changes) => {
      for (const { key } of changes) queue.add(key);
    });
    using _authority = keeper.subscribe(addAll);
    addAll();
    await queue.run(signal);
  }

  async #write(present: ValidatingWebhookConfiguration | undefined, signal: AbortSignal): Promise<void> {
    const { client, keeper, logger } = this.#deps;
    const webhooks = present && withCaBundle(present, this.#namespace, keeper.authority.rootsPem);
    if (!present || !webhooks) return;
    const { name, resourceVersion } = present.metadata;
    await client.mergePatch(RESOURCE, { name }, { metadata: { resourceVersion }, webhooks }, { signal });
    logger.info("root written to webhook configuration", { name });
  }
}

/** The webhooks with our root where they point at istiod of this namespace; undefined if nothing is to be changed. */
export function withCaBundle(
  { webhooks = [] }: ValidatingWebhookConfiguration,
  namespace: string,
  rootsPem: string,
): ValidatingWebhookConfiguration["webhooks"] | undefined {
  const caBundle = Buffer.from(rootsPem).toString("base64");
  const isOurs = (webhook: (typeof webhooks)[number]): boolean =>
    webhook.clientConfig?.service?.namespace === namespace;
  if (webhooks.every((webhook) => !isOurs(webhook) || webhook.clientConfig?.caBundle === caBundle)) return undefined;
  return webhooks.map((webhook) =>
    isOurs(webhook) ? { ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } } : webhook,
  );
}
