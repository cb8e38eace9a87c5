// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import type { ApiObject } from "../objects/api-object.ts";

/** One page of a list. All pages of a list show the same moment. */
export interface Page {
  readonly items: readonly ApiObject[];
  readonly resourceVersion: number;
  /** Where the next page begins, absent on the last one. */
  readonly continueToken?: string;
  readonly remaining?: number;
}

interface Snapshot {
  readonly items: readonly ApiObject[];
  readonly resourceVersion: number;
}

/**
 * Lists in pages. What remains of a list is held (by reference) until it is read; only so many lists are held at a
 * time, a token of an older one is expired.
 */
export class ListPages {
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #maxSnapshots: number;
  #counter = 0;

  constructor(maxSnapshots: number) {
    this.#maxSnapshots = maxSnapshots;
  }

  /** The first page; everything when `limit` is 0. */
  begin(snapshot: Snapshot, limit: number): Page {
    if (limit === 0 || snapshot.items.length <= limit) return { ...snapshot };
    const id = String(++this.#counter);
    this.#snapshots.set(id, snapshot);
    const [oldest] = this.#snapshots.keys();
    if (this.#snapshots.size > this.#maxSnapshots && oldest !== undefined) this.#snapshots.delete(oldest);
    return this.#page(id, snapshot, { offset: 0, limit });
  }

  /**
   * The page at a token.
   * @throws MeshError KUBE_EXPIRED when its list is no longer held, KUBE_BAD_REQUEST when it is no token.
   */
  next(token: string, limit: number): Page {
    const [, id = "", offset = ""] =
      /^(\d{1,15})\.(\d{1,15})$/.exec(Buffer.from(token, "base64url").toString("latin1")) ?? [];
    if (id === "") throw kubeErrors.create("KUBE_BAD_REQUEST", "the continue token is not valid");
    const snapshot = this.#snapshots.get(id);
    if (snapshot === undefined) {
      throw kubeErrors.create("KUBE_EXPIRED", "the continue token is too old; begin the list anew without it");
    }
    return this.#page(id, snapshot, { offset: Number(offset), limit: limit === 0 ? snapshot.items.length : limit });
  }

  #page(id: string, snapshot: Snapshot, { offset, limit }: { readonly offset: number; readonly limit: number }): Page {
    const end = offset + limit;
    const remaining = snapshot.items.length - end;
    const page = { items: snapshot.items.slice(offset, end), resourceVersion: snapshot.resourceVersion };
    if (remaining <= 0) return page;
    return { ...page, continueToken: Buffer.from(`${id}.${end}`).toString("base64url"), remaining };
  }
}
