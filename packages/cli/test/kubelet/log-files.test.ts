// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "@ambientmesh/testkit";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LogFiles, lastLine } from "../../src/local/kubelet/log-files.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cli-logs-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it("sets a log aside that has grown too large, and goes on in the same file", () => {
  const clock = new FakeClock(0);
  using _logs = new LogFiles(directory, clock, 10);
  const path = join(directory, "shop_cart_app.log");
  writeFileSync(path, "short");
  clock.advance(2000);
  expect(readdirSync(directory)).toEqual(["shop_cart_app.log"]);
  writeFileSync(path, "long enough now");
  clock.advance(2000);
  expect(readFileSync(path, "utf8")).toBe("");
  expect(readFileSync(`${path}.1`, "utf8")).toBe("long enough now");
});

it("removes the logs of a pod, and of no other", () => {
  using logs = new LogFiles(directory, new FakeClock(0));
  for (const name of ["shop_cart_app.log", "shop_cart_app.log.1", "shop_cart-2_app.log"])
    writeFileSync(join(directory, name), "");
  logs.remove("shop", "cart");
  expect(readdirSync(directory)).toEqual(["shop_cart-2_app.log"]);
});

it.each([
  ["", undefined],
  ["\n\n", undefined],
  ["first\nthe reason\n", "the reason"],
  ["first\r\nno newline", "no newline"],
  [`${"x".repeat(5000)}\n`, "x".repeat(1023)],
])("knows the last words of %j", (text, expected) => {
  const path = join(directory, "a.log");
  writeFileSync(path, text);
  expect(lastLine(path)).toBe(expected);
});

it("knows no last words without a log", () => expect(lastLine(join(directory, "none.log"))).toBeUndefined());
