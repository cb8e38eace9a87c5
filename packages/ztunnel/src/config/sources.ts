// SPDX-License-Identifier: Apache-2.0

/** The files that configuration may come from. */
export interface ConfigFiles {
  exists(path: string): boolean;
  /** The text of a file; undefined if there is none. */
  read(path: string): string | undefined;
}

/** Everything that configuration is made of. */
export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly files: ConfigFiles;
  /** Arguments after the program's name; kept for dumps only. */
  readonly args: readonly string[];
}
