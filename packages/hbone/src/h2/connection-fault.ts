// SPDX-License-Identifier: Apache-2.0

/** The peer broke a rule that ends the whole connection (RFC 9113 section 5.4.1). Caught by the connection only. */
export class ConnectionFault extends Error {
  override readonly name: string = "ConnectionFault";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
