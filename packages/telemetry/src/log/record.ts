// SPDX-License-Identifier: Apache-2.0
import type { LogLevel } from "@ambientmesh/core";

/** Name and value of one field. Fields whose value is undefined are not written. */
export type LogField = readonly [name: string, value: unknown];

/** One line before it is formatted. */
export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly level: LogLevel;
  /** Dotted ("xds.client"). */
  readonly scope: string;
  readonly message: string;
  /** Written in this order. */
  readonly fields: readonly LogField[];
}

/** Where records go. */
export interface LogSink {
  /** False if the record was dropped; the sink has counted it then. */
  write(record: LogRecord): boolean;
}

/** Text that the plain format writes without quotes, if every character of it is harmless. */
export class BareText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Marks an address or a similar token ("10.0.0.1:80", "12ms") to be written without quotes in the plain format. */
export function bare(text: string): BareText {
  return new BareText(text);
}
