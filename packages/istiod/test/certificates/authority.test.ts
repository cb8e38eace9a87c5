// SPDX-License-Identifier: Apache-2.0
import { CertificateAuthority, createRoot, withRoots, type AuthorityMaterial } from "@ambientmesh/ca";
import { noMetrics, silentLogger } from "@ambientmesh/core";
import { parseCertificates } from "@ambientmesh/spiffe";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it, vi } from "vitest";
import { AuthorityKeeper, type ObtainedAuthority } from "../../src/certificates/authority-keeper.ts";
import {
  SelfSignedAuthority,
  type AuthorityStore,
  type StoredAuthority,
} from "../../src/certificates/self-signed-authority.ts";
import { IssuedServingCertificate, servingNames } from "../../src/certificates/serving-certificate.ts";

const DAY_MS = 86_400_000;

/** A store as the API server keeps it: creation and replacement succeed once. */
function memoryStore(): AuthorityStore & { current: StoredAuthority | undefined } {
  let version = 0;
  return {
    current: undefined,
    async load() {
      return this.current;
    },
    async create(material) {
      if (this.current) return false;
      this.current = { material, resourceVersion: String(++version) };
      return true;
    },
    async replace(stored, material) {
      if (this.current?.resourceVersion !== stored.resourceVersion) return false;
      this.current = { material, resourceVersion: String(++version) };
      return true;
    },
  };
}

const OPTIONS = { trustDomain: "td", keyType: "ecdsa-p256" as const, ttlMs: 100 * DAY_MS, graceRatio: 0.2 };
const rootsOf = ({ rootsPem }: AuthorityMaterial) => parseCertificates(rootsPem, "the roots");

describe("the self-signed root", () => {
  it("is the same for replicas that start together", async () => {
    const clock = new FakeClock();
    const deps = { clock, logger: silentLogger, store: memoryStore() };
    const replicas = [1, 2, 3].map(() => new SelfSignedAuthority(deps, OPTIONS).obtain());
    const [first, ...others] = await Promise.all(replicas);
    expect(others).toEqual([first, first]);
    expect(await new SelfSignedAuthority(deps, OPTIONS).obtain()).toEqual(first);
  });

  it("is renewed once, near its end, with the old one still trusted", async () => {
    const clock = new FakeClock();
    const store = memoryStore();
    const authority = new SelfSignedAuthority({ clock, logger: silentLogger, store }, OPTIONS);
    const old = await authority.obtain();
    clock.advance(79 * DAY_MS);
    expect(await authority.obtain()).toEqual(old);
    clock.advance(2 * DAY_MS);
    const [renewed, again] = await Promise.all([authority.obtain(), authority.obtain()]);
    expect(renewed).toEqual(again);
    expect(renewed?.privateKeyPem).toBe(old.privateKeyPem);
    expect(rootsOf(renewed)).toHaveLength(2);
  });

  it("is never renewed where that is switched off", async () => {
    const clock = new FakeClock();
    const deps = { clock, logger: silentLogger, store: memoryStore() };
    const authority = new SelfSignedAuthority(deps, { ...OPTIONS, graceRatio: 0 });
    const old = await authority.obtain();
    clock.advance(99 * DAY_MS);
    expect(await authority.obtain()).toEqual(old);
  });
});

describe("the authority in use", () => {
  async function keeperOf(obtain: () => Promise<ObtainedAuthority>) {
    const clock = new FakeClock();
    const deps = { clock, logger: silentLogger, metrics: noMetrics, obtain };
    const options = { policy: { defaultTtlSeconds: 60, maxTtlSeconds: 60 }, checkIntervalMs: 1000 };
    return { clock, keeper: await AuthorityKeeper.create(deps, options) };
  }

  it("follows its material and tells so, and keeps the last that was good", async () => {
    const [first, other] = await Promise.all([createRoot("td", OPTIONS), createRoot("td", OPTIONS)]);
    const second = withRoots(other, first.rootsPem);
    const obtain = vi.fn(async (): Promise<ObtainedAuthority> => ({ material: first }));
    const { keeper } = await keeperOf(obtain);
    const changed = vi.fn();
    keeper.subscribe(changed);
    await keeper.refresh();
    obtain.mockRejectedValueOnce(new Error("no API server"));
    await keeper.refresh();
    obtain.mockResolvedValueOnce({ material: { ...second, privateKeyPem: first.privateKeyPem } });
    await keeper.refresh();
    obtain.mockResolvedValueOnce({ material: other });
    await keeper.refresh();
    expect(changed).not.toHaveBeenCalled();
    expect(keeper.authority.rootsPem).toBe(first.rootsPem);
    obtain.mockResolvedValueOnce({ material: second });
    await keeper.refresh();
    expect(changed).toHaveBeenCalledTimes(1);
    expect(keeper.authority.rootsPem).toBe(second.rootsPem);
  });

  it("hands out revocation lists, and the last good ones when they turn bad or are gone", async () => {
    const material = await createRoot("td", OPTIONS);
    const authority = new CertificateAuthority(material);
    const lists = [await authority.crl()];
    authority.revoke({ serialNumber: "7" });
    lists.push(await authority.crl());
    const obtain = vi.fn(async (): Promise<ObtainedAuthority> => ({ material, crlPem: lists[0] }));
    const { keeper } = await keeperOf(obtain);
    const changed = vi.fn();
    keeper.subscribe(changed);
    obtain.mockResolvedValueOnce({ material, crlPem: "nonsense" });
    await keeper.refresh();
    obtain.mockResolvedValueOnce({ material });
    await keeper.refresh();
    expect(changed).not.toHaveBeenCalled();
    expect(keeper.crlPem).toBe(lists[0]);
    obtain.mockResolvedValueOnce({ material, crlPem: lists[1] });
    await keeper.refresh();
    expect(changed).toHaveBeenCalledTimes(1);
    expect(keeper.crlPem).toBe(lists[1]);
    await expect(keeperOf(async () => ({ material, crlPem: "nonsense" }))).rejects.toThrow("ca-crl.pem");
  });

  it("is looked at again and again", async () => {
    const root = await createRoot("td", OPTIONS);
    const obtain = vi.fn(async () => ({ material: root }));
    const { clock, keeper } = await keeperOf(obtain);
    const stop = new AbortController();
    const running = keeper.run(stop.signal);
    clock.advance(1100);
    await vi.waitFor(() => expect(obtain).toHaveBeenCalledTimes(2));
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("the serving certificate", () => {
  it("has the names of istiod", () => {
    expect(servingNames({ namespace: "mesh", revision: "", customHosts: ["b.example", "istiod.mesh.svc"] })).toEqual([
      "b.example",
      "istio-pilot.mesh.svc",
      "istiod-remote.mesh.svc",
      "istiod.mesh.svc",
    ]);
    expect(servingNames({ namespace: "mesh", revision: "canary", customHosts: [] })).toContain(
      "istiod-canary.mesh.svc",
    );
  });

  it("is renewed when the authority changes and at half of its life", async () => {
    const clock = new FakeClock();
    const first = await createRoot("td", OPTIONS);
    const second = withRoots(await createRoot("td", { ...OPTIONS, ttlSeconds: 7200 }), first.rootsPem);
    const obtain = vi.fn(async (): Promise<ObtainedAuthority> => ({ material: first }));
    const deps = { clock, logger: silentLogger, metrics: noMetrics, obtain };
    const keeper = await AuthorityKeeper.create(deps, {
      policy: { defaultTtlSeconds: 60, maxTtlSeconds: 60 },
      checkIntervalMs: 1000,
    });
    const serving = await IssuedServingCertificate.create({ clock, logger: silentLogger, keeper }, ["istiod.mesh.svc"]);
    const stop = new AbortController();
    const running = serving.run(stop.signal);
    const seen = [serving.current()];
    const renewed = async (): Promise<void> => {
      await vi.waitFor(() => expect(serving.current().certificates).not.toBe(seen.at(-1)?.certificates));
      seen.push(serving.current());
    };
    obtain.mockResolvedValueOnce({ material: second });
    await keeper.refresh();
    await renewed();
    expect(serving.current().clientRoots).toEqual([second.rootsPem]);
    for (let minutes = 0; minutes < 61; minutes++) {
      clock.advance(60_000);
      await Promise.resolve();
    }
    await renewed();
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
    expect(new Set(seen.map(({ certificates }) => certificates)).size).toBe(3);
  });
});
