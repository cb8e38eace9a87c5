// SPDX-License-Identifier: Apache-2.0

/** What a program still waits for before it may be sent traffic. Ready as long as nothing is pending. */
export class Readiness {
  readonly #tasks = new Set<{ readonly name: string }>();

  /** The names of what is pending, sorted, each once. */
  get pending(): readonly string[] {
    return [...new Set([...this.#tasks].map(({ name }) => name))].sort();
  }

  /** Not ready until the task is disposed; disposing twice is harmless, and a task may come back later. */
  begin(name: string): Disposable {
    const task = { name };
    this.#tasks.add(task);
    return { [Symbol.dispose]: () => void this.#tasks.delete(task) };
  }
}
