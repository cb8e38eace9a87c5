// SPDX-License-Identifier: Apache-2.0

/** Pods differ in few ways, but annotations could make up any number of rule sets. */
const MAX_FORMS = 64;

/** What the kernel makes of rule sets, remembered by their text, since asking it costs a network namespace each time. */
export class CanonicalForms<T> {
  readonly #ask: (ruleset: string) => Promise<T>;
  readonly #forms = new Map<string, Promise<T>>();

  constructor(ask: (ruleset: string) => Promise<T>) {
    this.#ask = ask;
  }

  async of(ruleset: string): Promise<T> {
    const known = this.#forms.get(ruleset);
    if (known) return known;
    const asked = this.#ask(ruleset);
    this.#forms.set(ruleset, asked);
    const [oldest] = this.#forms.keys();
    if (this.#forms.size > MAX_FORMS && oldest !== undefined) this.#forms.delete(oldest);
    try {
      return await asked;
    } catch (error) {
      // The next one who asks tries again.
      this.#forms.delete(ruleset);
      throw error;
    }
  }
}
