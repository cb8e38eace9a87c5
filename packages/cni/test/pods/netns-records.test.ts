// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { silentLogger } from "@ambientmesh/core";
import { NetnsRecords, parseRecord, type NetnsRecord } from "../../src/pods/netns-records.ts";

const RECORD: NetnsRecord = {
  uid: "2c48913c-b29f-11e7-9350-020968147796",
  namespace: "shop",
  name: "cart",
  path: "/var/run/netns/cni-1",
  dev: "4",
  ino: "4026532177",
  addresses: ["10.0.1.2", "fd00::2"],
  sandboxId: "abc",
  isRedirected: true,
};

describe("records of sandboxes", () => {
  let root: string;
  let directory: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "records-"));
    directory = join(root, "pods");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  async function open(): Promise<NetnsRecords> {
    const records = new NetnsRecords({ logger: silentLogger }, { directory });
    await records.load();
    return records;
  }

  it("outlive the agent", async () => {
    await (await open()).set(RECORD);
    const records = await open();
    expect(records.get(RECORD.uid)).toEqual(RECORD);
    expect(statSync(join(directory, `${RECORD.uid}.json`)).mode & 0o777).toBe(0o600);
    await records.setRedirected(RECORD.uid, false);
    expect((await open()).get(RECORD.uid)?.isRedirected).toBe(false);
    await records.delete(RECORD.uid);
    expect([...(await open()).values()]).toEqual([]);
  });

  it("end in the state of the last write", async () => {
    const records = await open();
    await Promise.all([
      ...Array.from({ length: 20 }, (_, index) => records.set({ ...RECORD, name: `cart-${index}` })),
      records.setRedirected(RECORD.uid, false),
    ]);
    const file = JSON.parse(readFileSync(join(directory, `${RECORD.uid}.json`), "utf8")) as NetnsRecord;
    expect(file).toEqual({ ...RECORD, name: "cart-19", isRedirected: false });
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it("may be deleted twice", async () => {
    const records = await open();
    await records.set(RECORD);
    await Promise.all([records.delete(RECORD.uid), records.delete(RECORD.uid)]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each(["../../etc/passwd", "", "a/b", "."])("are not written for a uid that is no file name: %j", async (uid) => {
    await (await open()).set({ ...RECORD, uid });
    expect(readdirSync(directory)).toEqual([]);
  });

  test.each([
    ["half a file", `${RECORD.uid}.json`, JSON.stringify(RECORD).slice(0, 20)],
    ["another's name", "other.json", JSON.stringify(RECORD)],
    ["a draft", `${RECORD.uid}.json.tmp`, JSON.stringify(RECORD)],
    ["no addresses", `${RECORD.uid}.json`, JSON.stringify({ ...RECORD, addresses: ["x"] })],
    ["too much", `${RECORD.uid}.json`, JSON.stringify({ ...RECORD, more: "x".repeat(20_000) })],
  ])("that make no sense are removed: %s", async (_case, name, text) => {
    await open();
    writeFileSync(join(directory, name), text);
    expect([...(await open()).values()]).toEqual([]);
    expect(existsSync(join(directory, name))).toBe(false);
  });

  it("are read from any JSON without harm", () => {
    const almost = fc.record(Object.fromEntries(Object.keys(RECORD).map((key) => [key, fc.jsonValue()])));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), almost), (value) => {
        const record = parseRecord(value);
        expect(record === undefined || typeof record.isRedirected === "boolean").toBe(true);
      }),
    );
  });
});
