// SPDX-License-Identifier: Apache-2.0
import type { Requirement } from "./rule.ts";

/** One rule that a message breaks. */
export interface Violation {
  /** Names as in the .proto file: `load_assignment.endpoints[0].locality`, `labels["app"]`; a oneof by its own name. */
  readonly path: string;
  /** As in the .proto file: `string.min_len`, `oneof.required`. */
  readonly rule: string;
  /** The value as text of bounded length; `(unset)`, or `(sensitive)` where the .proto file says that a field is. */
  readonly value: string;
  /** What the rule asks for, to be read after the path: "must have at least 1 character". */
  readonly message: string;
}

/** A part of a message on the way to a value: a field, a oneof, or the message in an Any. */
export interface Step {
  /** As it stands in a path: `.name`, `[type.googleapis.com/name]`. */
  readonly text: string;
  readonly isSensitive: boolean;
}

/** An index of a list or a key of a map. */
export type Place = number | string | undefined;

const MAX_KEY = 64;
const TOO_DEEP: Requirement = { name: "depth", expected: "is nested deeper than messages are looked at" };

/** One validation: where it is, and what it has found. */
export class Run {
  readonly violations: Violation[] = [];
  readonly #steps: Step[] = [];
  readonly #places: Place[] = [];
  readonly #maxDepth: number;
  readonly #maxViolations: number;

  constructor(maxDepth: number, maxViolations: number) {
    this.#maxDepth = maxDepth;
    // With none to be taken every message would pass.
    this.#maxViolations = Math.max(1, maxViolations);
  }

  /** No further violation is taken. */
  get isFull(): boolean {
    return this.violations.length >= this.#maxViolations;
  }

  /** Goes into a message, to be left again; false if that is too deep, which is a violation. */
  enter(step: Step, place: Place): boolean {
    if (this.#steps.length >= this.#maxDepth) {
      this.report(TOO_DEEP, "", step, place);
      return false;
    }
    this.#steps.push(step);
    this.#places.push(place);
    return true;
  }

  leave(): void {
    this.#steps.pop();
    this.#places.pop();
  }

  /** Notes that a value breaks a rule. */
  report(rule: Requirement, value: string, step: Step, place?: Place): void {
    if (this.isFull) return;
    const steps = [...this.#steps, step];
    const places = [...this.#places, place];
    const path = steps.map(({ text }, at) => text + showPlace(places[at])).join("");
    this.violations.push({
      path: path.replace(/^\./, ""),
      rule: rule.name,
      value: steps.some(({ isSensitive }) => isSensitive) ? "(sensitive)" : value,
      message: rule.expected,
    });
  }
}

function showPlace(place: Place): string {
  if (place === undefined) return "";
  return typeof place === "number" ? `[${place}]` : `[${JSON.stringify(place.slice(0, MAX_KEY))}]`;
}
