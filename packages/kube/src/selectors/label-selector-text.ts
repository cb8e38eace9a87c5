// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../errors.ts";
import {
  checkedRequirement,
  type LabelOperator,
  type LabelRequirement,
  type LabelRequirements,
} from "./label-selector.ts";

type Token = "(" | ")" | "," | "=" | "==" | "!=" | "!" | ">" | "<" | { readonly word: string };

const SYMBOLS = /==|!=|[()=!,<>]/y;
const WORD = /[^\s()=!,<>]+/y;
const BLANK = /\s+/y;

/**
 * Parses the text form of a label selector: `app=cart,tier!=db,env in (a,b),zone notin (c),canary,!legacy,weight>3`.
 * @throws MeshError KUBE_SELECTOR_INVALID naming the text and what was expected.
 */
export function parseLabelSelector(text: string): LabelRequirements {
  const tokens = new Tokens(text);
  const requirements: LabelRequirement[] = [];
  if (tokens.peek() === undefined) return requirements;
  do requirements.push(checkedRequirement(parseRequirement(tokens)));
  while (tokens.takeIf(","));
  if (tokens.peek() !== undefined) tokens.fail("expected ',' or the end");
  return requirements;
}

/** The text form that {@link parseLabelSelector} reads back. */
export function formatLabelSelector(requirements: LabelRequirements): string {
  return requirements
    .map(({ key, operator, values }) => {
      switch (operator) {
        case "In":
          return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(",")})`;
        case "NotIn":
          return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(",")})`;
        case "Exists":
          return key;
        case "DoesNotExist":
          return `!${key}`;
        case "Gt":
          return `${key}>${values[0]}`;
        case "Lt":
          return `${key}<${values[0]}`;
      }
    })
    .join(",");
}

function parseRequirement(tokens: Tokens): LabelRequirement {
  if (tokens.takeIf("!")) return { key: tokens.word("a key"), operator: "DoesNotExist", values: [] };
  const key = tokens.word("a key or '!'");
  const next = tokens.peek();
  if (next === undefined || next === ",") return { key, operator: "Exists", values: [] };
  tokens.take();
  if (typeof next === "object") {
    if (next.word !== "in" && next.word !== "notin") tokens.fail(`"${next.word}" is no operator`);
    return { key, operator: next.word === "in" ? "In" : "NotIn", values: parseValues(tokens) };
  }
  const operator = OPERATORS.get(next);
  if (operator === undefined) tokens.fail(`expected an operator instead of '${next}'`);
  return { key, operator, values: [tokens.valueOrEmpty()] };
}

const OPERATORS: ReadonlyMap<string, LabelOperator> = new Map([
  ["=", "In"],
  ["==", "In"],
  ["!=", "NotIn"],
  [">", "Gt"],
  ["<", "Lt"],
]);

function parseValues(tokens: Tokens): readonly string[] {
  if (!tokens.takeIf("(")) tokens.fail("expected '('");
  const values = [tokens.valueOrEmpty()];
  while (tokens.takeIf(",")) values.push(tokens.valueOrEmpty());
  if (!tokens.takeIf(")")) tokens.fail("expected ')'");
  return values;
}

/** The text cut into tokens, with one token of look-ahead. */
class Tokens {
  readonly #text: string;
  #at = 0;
  #next: Token | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#next = this.#scan();
  }

  peek(): Token | undefined {
    return this.#next;
  }

  take(): Token | undefined {
    const token = this.#next;
    this.#next = this.#scan();
    return token;
  }

  takeIf(symbol: string): boolean {
    if (this.#next !== symbol) return false;
    this.take();
    return true;
  }

  word(what: string): string {
    const token = this.peek();
    if (typeof token !== "object") return this.fail(`expected ${what}`);
    this.take();
    return token.word;
  }

  /** Kubernetes lets a value be empty: `key=`, `key in (,a)`. */
  valueOrEmpty(): string {
    return typeof this.#next === "object" ? this.word("a value") : "";
  }

  fail(expectation: string): never {
    throw kubeErrors.create("KUBE_SELECTOR_INVALID", `label selector "${this.#text}": ${expectation}`, {
      details: { selector: this.#text },
    });
  }

  #scan(): Token | undefined {
    this.#match(BLANK);
    const symbol = this.#match(SYMBOLS);
    if (symbol !== undefined) return symbol as Token;
    const word = this.#match(WORD);
    return word === undefined ? undefined : { word };
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at = pattern.lastIndex;
    return found;
  }
}
