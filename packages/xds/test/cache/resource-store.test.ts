// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { ResourceStore, contentVersion, type LogReader } from "../../src/index.ts";
import { TEXT, contentOf, text } from "../support/texts.ts";

class Follower implements LogReader {
  cursor = 0;
  calls = 0;
  changed(): void {
    this.calls++;
  }
}

const names = (store: ResourceStore, cursor: number): string[] =>
  [...store.after(cursor, store.head)].map(({ name, resource }) => (resource ? name : `-${name}`));

describe("a store", () => {
  it("shows nothing before it is published, then everything at once, with one call per reader", () => {
    const store = new ResourceStore(TEXT);
    const reader = new Follower();
    using _following = store.attach(reader);
    store.set(text("a", "1"));
    store.set(text("b", "1"));
    expect(store.size).toBe(0);
    expect(store.pendingSize).toBe(2);
    expect(store.publish()).toBe(true);
    expect(contentOf(store)).toEqual({ a: "1", b: "1" });
    expect(reader.calls).toBe(1);
    expect(store.publish()).toBe(false);
    expect(reader.calls).toBe(1);
  });

  it("names a version after the content alone", () => {
    const store = new ResourceStore(TEXT);
    store.set(text("a", "same"));
    store.set(text("b", "same"));
    store.publish();
    expect(store.get("a")?.version).toBe(store.get("b")?.version);
    expect(store.get("a")?.version).toMatch(/^[0-9a-f]{16}$/);
    expect(contentVersion(Buffer.from("same"))).toBe(store.get("a")?.version);
    expect(contentVersion(Buffer.from("other"))).not.toBe(store.get("a")?.version);
  });

  it("ignores what does not differ, and forgets what was undone before it was published", () => {
    const store = new ResourceStore(TEXT);
    store.set(text("a", "1"));
    store.publish();
    expect(store.set(text("a", "1"))).toBe(false);
    expect(store.set(text("a", "2"))).toBe(true);
    expect(store.set(text("a", "1"))).toBe(true);
    expect(store.set(text("new", "1"))).toBe(true);
    expect(store.delete("new")).toBe(true);
    expect(store.delete("never")).toBe(false);
    expect(store.publish()).toBe(false);
  });

  it("notices a change of aliases or keys alone", () => {
    const store = new ResourceStore(TEXT);
    store.set(text("a", "1"));
    store.publish();
    expect(store.set(text("a", "1", { aliases: ["/1"] }))).toBe(true);
    store.publish();
    expect(store.set(text("a", "1", { aliases: ["/1"], keys: ["k"] }))).toBe(true);
    store.publish();
    expect(store.find("k").map(({ name }) => name)).toEqual(["a"]);
  });

  it("finds by name, alias and key, and follows their changes", () => {
    const store = new ResourceStore(TEXT);
    store.set(text("pod-1", "1", { aliases: ["/10.0.0.1"], keys: ["node/x"] }));
    store.set(text("pod-2", "2", { aliases: ["/10.0.0.1", "/10.0.0.2"], keys: ["node/x"] }));
    store.publish();
    const found = (key: string): string[] => store.find(key).map(({ name }) => name);
    expect(found("pod-1")).toEqual(["pod-1"]);
    expect(found("/10.0.0.1")).toEqual(["pod-1", "pod-2"]);
    expect(found("node/x")).toEqual(["pod-1", "pod-2"]);
    store.set(text("pod-2", "2", { aliases: ["/10.0.0.3"] }));
    store.delete("pod-1");
    store.publish();
    expect([found("/10.0.0.1"), found("node/x"), found("/10.0.0.3")]).toEqual([[], [], ["pod-2"]]);
  });

  it("replaces everything", () => {
    const store = new ResourceStore(TEXT);
    store.replaceAll([text("a", "1"), text("b", "1")]);
    store.publish();
    store.set(text("pending", "1"));
    store.replaceAll([text("b", "2"), text("c", "1")]);
    store.publish();
    expect(contentOf(store)).toEqual({ b: "2", c: "1" });
  });

  it("lists what changed behind a position, each name once, removals too", () => {
    const store = new ResourceStore(TEXT);
    for (const name of ["a", "b", "c"]) store.set(text(name, "1"));
    store.publish();
    const before = store.head;
    store.set(text("b", "2"));
    store.publish();
    store.set(text("b", "3"));
    store.delete("a");
    store.publish();
    expect(names(store, before)).toEqual(["b", "-a"]);
    expect(names(store, 0)).toEqual(["c", "b", "-a"]);
    expect(names(store, store.head)).toEqual([]);
  });

  it("keeps removals for the reader that has not seen them, and drops the others", () => {
    const store = new ResourceStore(TEXT);
    const slow = new Follower();
    using _following = store.attach(slow);
    store.set(text("old", "1"));
    store.publish();
    store.delete("old");
    store.publish();
    const churn = (rounds: number): void => {
      for (let round = 0; round < rounds; round++) {
        store.set(text("busy", `${round}`));
        store.publish();
      }
    };
    churn(1000);
    expect(names(store, 0)).toEqual(["-old", "busy"]);
    slow.cursor = store.head;
    churn(1000);
    expect(names(store, 0)).toEqual(["busy"]);
  });
});

const nameOf = fc.integer({ min: 0, max: 15 }).map((at) => `n${at}`);
const command = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), name: nameOf, value: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ kind: fc.constant("delete" as const), name: nameOf }),
  fc.record({ kind: fc.constant("publish" as const) }),
  fc.record({ kind: fc.constant("read" as const) }),
);

test("a reader that follows the log ends with what the store holds (property)", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
      const store = new ResourceStore(TEXT);
      const reader = new Follower();
      using _following = store.attach(reader);
      const copy = new Map<string, string>();
      const model = new Map<string, string>();
      const read = (): void => {
        for (const { name, resource, seq } of store.after(reader.cursor, store.head)) {
          if (resource) copy.set(name, resource.version);
          else copy.delete(name);
          reader.cursor = seq;
        }
      };
      for (const step of commands) {
        if (step.kind === "set") {
          store.set(text(step.name, `${step.value}`));
          model.set(step.name, contentVersion(Buffer.from(`${step.value}`)));
        } else if (step.kind === "delete") {
          store.delete(step.name);
          model.delete(step.name);
        } else if (step.kind === "publish") store.publish();
        else read();
      }
      store.publish();
      read();
      expect(store.size).toBe(model.size);
      expect(copy).toEqual(model);
    }),
  );
});
