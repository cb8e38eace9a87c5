// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { FakeClock } from "@ambientmesh/testkit";
import { partsCredentials } from "../../src/client/credentials.ts";

it("credentials asked for at the same time are the same, so that no connection ends for it", async () => {
  const source = partsCredentials({ token: { text: "t" }, ca: { text: "ca" } }, new FakeClock());
  const [first, second] = await Promise.all([source.current(), source.current()]);
  expect(first).toBe(second);
  source.invalidate();
  const [third, fourth] = await Promise.all([source.current(), source.current()]);
  expect([third.tls, fourth.tls]).toEqual([first.tls, first.tls]);
  expect(third.tls).toBe(first.tls);
});
