// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { SotwClient, sotwType, type SotwMode, type SotwResourceType } from "../../src/index.ts";
import { Harness, nodeOf } from "../support/harness.ts";
import { TEXT, TextOwner, text } from "../support/texts.ts";

/** Texts of the form "name:value". */
class NamedTexts extends TextOwner implements SotwResourceType<string> {
  nameOf(value: string): string {
    const [name] = value.split(":");
    if (name === undefined || name === "") throw new TypeError("a text without a name");
    return name;
  }
}

const put = (mesh: Harness, ...values: string[]): void => {
  mesh.cache.store(TEXT).replaceAll(values.map((value) => text(value.split(":")[0] ?? "", value)));
  mesh.cache.flush();
};

function clientOf(mesh: Harness, mode: SotwMode = "wildcard"): { client: SotwClient; owner: NamedTexts } {
  const owner = new NamedTexts();
  const types = [sotwType(owner, mode)];
  return { client: mesh.use(new SotwClient(mesh.clientDeps(), { node: () => nodeOf(), types })), owner };
}

const values = (owner: TextOwner): string[] => [...owner.texts.values()].toSorted();

describe("a state-of-the-world client", () => {
  it("shows its owner only what differs, and what is gone", async () => {
    await using mesh = new Harness();
    put(mesh, "a:1", "b:1", "c:1");
    const { client, owner } = clientOf(mesh);
    await client.start();
    expect(values(owner)).toEqual(["a:1", "b:1", "c:1"]);
    owner.history.length = 0;
    put(mesh, "a:2", "b:1", "d:1");
    await mesh.until(() => owner.texts.has("d"));
    expect(owner.history).toEqual(["a=a:2", "d=d:1", "-c"]);
    expect(client.status()).toMatchObject({
      isSynced: true,
      types: [{ resources: 3, version: `${mesh.cache.store(TEXT).head}` }],
    });
    expect(mesh.server.clients()[0]?.types[0]).toMatchObject({ outstanding: 0, isWildcard: true });
  });

  it("rejects by name what can be named, and removes nothing when something can't be read", async () => {
    await using mesh = new Harness();
    put(mesh, "a:1", "b:1");
    const { client, owner } = clientOf(mesh);
    await client.start();
    put(mesh, "a:2", ":nameless");
    await mesh.until(() => owner.texts.get("a") === "a:2");
    expect(values(owner)).toEqual(["a:2", "b:1"]);
    await mesh.settle();
    expect(mesh.server.clients()[0]?.types[0]?.lastNack?.message).toMatch(/^#\d: a text without a name$/);
    put(mesh, "a:3");
    await mesh.until(() => owner.texts.size === 1);
    expect(values(owner)).toEqual(["a:3"]);
  });

  it("keeps the last good one of what its owner rejects", async () => {
    await using mesh = new Harness();
    put(mesh, "a:1");
    const { client, owner } = clientOf(mesh);
    await client.start();
    owner.apply = () => [{ name: "a", reason: "not today" }];
    put(mesh, "a:2");
    await mesh.until(() => client.status().types[0]?.lastRejected.length === 1);
    expect(client.status().types[0]).toMatchObject({
      resources: 1,
      lastRejected: [{ name: "a", reason: "not today" }],
    });
    expect(values(owner)).toEqual(["a:1"]);
  });

  it("follows names, more and fewer, over a reconnect", async () => {
    await using mesh = new Harness();
    put(mesh, "a:1", "b:1", "c:1");
    const { client, owner } = clientOf(mesh, "named");
    await client.start();
    await mesh.settle();
    expect(mesh.server.clientCount).toBe(0);
    await client.subscribe(TEXT, ["a", "b"]);
    await mesh.until(() => owner.texts.size === 2);
    await client.subscribe(TEXT, ["b", "c"]);
    await mesh.until(() => owner.texts.size === 2);
    expect(values(owner)).toEqual(["b:1", "c:1"]);
    await mesh.restart();
    await mesh.until(() => mesh.server.clientCount === 1);
    put(mesh, "a:2", "b:2", "c:1");
    await mesh.until(() => owner.texts.get("b") === "b:2");
    expect(values(owner)).toEqual(["b:2", "c:1"]);
    await expect(client.subscribe("other", [])).rejects.toThrow("the client has no type other");
  });

  it("gets all of it again after a restart of the server, and applies none of it", async () => {
    await using mesh = new Harness();
    put(mesh, "a:1");
    const { client, owner } = clientOf(mesh);
    await client.start();
    await mesh.restart();
    await mesh.until(() => mesh.server.clients()[0]?.types[0]?.lastAcked !== undefined);
    expect(owner.history).toEqual(["a=a:1"]);
  });
});
