// SPDX-License-Identifier: Apache-2.0

/** The words after the program's name. */
export interface CommandLine {
  readonly command: string | undefined;
  /** By name with its dashes; a flag given twice has its last value. */
  readonly flags: Readonly<Record<string, string>>;
  /** Each says what can't be understood. */
  readonly problems: readonly string[];
}

/**
 * Reads flags in the notation of Go's pflag: `--name=value`, `--name value`, and for `switches` also `--name`.
 * A single dash and letters (`-h`) is a name as well.
 */
export function parseCommandLine(argv: readonly string[], switches: ReadonlySet<string>): CommandLine {
  const flags: Record<string, string> = {};
  const problems: string[] = [];
  let command: string | undefined;
  const words = argv[Symbol.iterator]();
  for (const word of words) {
    if (!word.startsWith("-")) {
      if (command === undefined) command = word;
      else problems.push(`"${word}" is one word too many`);
      continue;
    }
    const [name, inline] = splitOnce(word, "=");
    const value = inline ?? (switches.has(name) ? "true" : words.next().value);
    if (value === undefined) problems.push(`${name} needs a value`);
    else flags[name] = value;
  }
  return { command, flags, problems };
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
