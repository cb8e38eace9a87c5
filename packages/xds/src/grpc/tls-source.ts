// SPDX-License-Identifier: Apache-2.0

/** What a TLS listener shows and whom it trusts, PEM encoded. */
export interface ServerTlsMaterial {
  readonly key: string | Buffer;
  /** The leaf first, then its intermediates. */
  readonly certificates: string | Buffer;
  /** Roots that client certificates must chain to. Without any, no client certificate is asked for. */
  readonly clientRoots?: readonly (string | Buffer)[];
}

/**
 * The material of a listener, now and later. The listener asks again after each call of its subscriber; connections
 * that are open keep what they had. Whether client certificates are asked for is decided at start.
 */
export interface ServerTlsSource {
  current(): ServerTlsMaterial;
  /** Calls back when {@link current} would return something else; ends when the result is disposed. */
  subscribe(changed: () => void): Disposable;
}

/** Material that never changes. */
export function fixedTls(material: ServerTlsMaterial): ServerTlsSource {
  return { current: () => material, subscribe: () => ({ [Symbol.dispose]: () => {} }) };
}
