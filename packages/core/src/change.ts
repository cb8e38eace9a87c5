// SPDX-License-Identifier: Apache-2.0

/**
 * One change of a keyed collection, the only event type between watches, stores and proxies.
 * Added: no `before`. Removed: no `after`. Updated: both.
 */
export interface Change<T> {
  readonly key: string;
  readonly before?: T;
  readonly after?: T;
}
