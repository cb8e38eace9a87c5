// SPDX-License-Identifier: Apache-2.0
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { FakeClock, createTestAuthority } from "@ambientmesh/testkit";
import { expect, it, vi } from "vitest";
import { SecretManager, parseSpiffeId, type SpiffeDiagnostics } from "../../src/index.ts";

const web = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");

/** What a channel carries until the scope ends. */
function heard<Name extends keyof SpiffeDiagnostics>(name: Name): Disposable & { messages: SpiffeDiagnostics[Name][] } {
  const messages: SpiffeDiagnostics[Name][] = [];
  const listener = (message: unknown): void => void messages.push(message as SpiffeDiagnostics[Name]);
  subscribe(name, listener);
  return { messages, [Symbol.dispose]: () => unsubscribe(name, listener) };
}

it("diagnostics channels tell of certificates, renewals and failures", async () => {
  const clock = new FakeClock();
  const { issue } = await createTestAuthority({ clock });
  let isAway = false;
  await using manager = new SecretManager({
    clock,
    issue: (...request) => (isAway ? Promise.reject(new Error("the authority is away")) : issue(...request)),
  });
  using issued = heard("ambientmesh:spiffe:certificate:issue");
  using failed = heard("ambientmesh:spiffe:certificate:fail");
  const svid = await manager.get(web);
  expect(issued.messages).toEqual([{ svid, isRenewal: false }]);
  clock.advance(13 * 3_600_000);
  await vi.waitFor(() => expect(issued.messages.map(({ isRenewal }) => isRenewal)).toEqual([false, true]));
  isAway = true;
  clock.advance(13 * 3_600_000);
  await vi.waitFor(() => expect(failed.messages).toHaveLength(1));
  const [failure] = failed.messages;
  expect(failure).toMatchObject({ id: web, isKept: true, error: { code: "SECRET_UNAVAILABLE" } });
  expect(failure?.retryAtMs).toBeGreaterThan(clock.now());
});
