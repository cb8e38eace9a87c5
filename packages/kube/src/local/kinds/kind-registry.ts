// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import { kindId, versionOf, type KindDefinition, type KindVersion } from "./kind.ts";

/** A kind together with the version of it that is spoken. */
export interface ServedKind {
  readonly definition: KindDefinition;
  readonly version: KindVersion;
}

/** The kinds that a server serves; definitions come and go at run time. */
export class KindRegistry {
  readonly #byId = new Map<string, KindDefinition>();
  #generation = 0;

  /** Grows with each change; for caches of discovery documents. */
  get generation(): number {
    return this.#generation;
  }

  /** Every kind, in the order of registration. */
  all(): Iterable<KindDefinition> {
    return this.#byId.values();
  }

  /**
   * Adds a kind, or replaces the one of the same group and plural.
   * @throws MeshError KUBE_CONFLICT when another kind of the group has the name.
   */
  register(definition: KindDefinition): void {
    const id = kindId(definition);
    for (const other of this.#byId.values()) {
      if (kindId(other) !== id && other.group === definition.group && other.kind === definition.kind) {
        throw kubeErrors.create("KUBE_CONFLICT", `the kind ${definition.kind} of ${id} is taken by ${kindId(other)}`);
      }
    }
    this.#byId.set(id, definition);
    this.#generation++;
  }

  /** Forgets a kind; its objects are the caller's business. */
  unregister(id: string): void {
    if (this.#byId.delete(id)) this.#generation++;
  }

  /** By "pods" or "deployments.apps". */
  byId(id: string): KindDefinition | undefined {
    return this.#byId.get(id);
  }

  /** By the parts of a URL. */
  byPlural(group: string, version: string, plural: string): ServedKind | undefined {
    return served(this.#byId.get(kindId({ group, plural })), version);
  }

  /** By what objects say of themselves. */
  byKind(apiVersion: string, kind: string): ServedKind | undefined {
    const slash = apiVersion.indexOf("/");
    const group = slash < 0 ? "" : apiVersion.slice(0, slash);
    for (const definition of this.#byId.values()) {
      if (definition.group === group && definition.kind === kind)
        return served(definition, apiVersion.slice(slash + 1));
    }
    return undefined;
  }
}

function served(definition: KindDefinition | undefined, versionName: string): ServedKind | undefined {
  const version = definition && versionOf(definition, versionName);
  return definition !== undefined && version !== undefined ? { definition, version } : undefined;
}
