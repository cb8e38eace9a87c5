// SPDX-License-Identifier: Apache-2.0
import type { TokenReview } from "@ambientmesh/api/kubernetes";
import { systemClock, type Clock } from "@ambientmesh/core";
import { describe, expect, it, test, vi } from "vitest";
import { CallAuthenticator } from "../../src/authentication/call-authenticator.ts";
import { TokenAuthenticator, type ReviewToken } from "../../src/authentication/token-authenticator.ts";

type Review = NonNullable<TokenReview["status"]>;

const GOOD: Review = {
  authenticated: true,
  audiences: ["istio-ca"],
  user: {
    username: "system:serviceaccount:mesh:ztunnel",
    groups: ["system:serviceaccounts", "system:authenticated"],
    extra: { "authentication.kubernetes.io/pod-name": ["z-1"], "authentication.kubernetes.io/pod-uid": ["u1"] },
  },
};

function authenticatorOf(reviewToken: ReviewToken, clock: Clock = systemClock): TokenAuthenticator {
  return new TokenAuthenticator(
    { clock, reviewToken },
    { audiences: ["istio-ca", "other"], mesh: { trustDomain: "td" } },
  );
}

describe("a token", () => {
  it("of a service account gives its identity and its pod", async () => {
    const reviewToken = vi.fn<ReviewToken>(async () => GOOD);
    expect(await authenticatorOf(reviewToken).authenticate("t")).toEqual({
      kind: "authenticated",
      caller: {
        by: "token",
        id: "spiffe://td/ns/mesh/sa/ztunnel",
        namespace: "mesh",
        serviceAccount: "ztunnel",
        pod: { name: "z-1", uid: "u1" },
      },
    });
    expect(reviewToken).toHaveBeenCalledWith("t", ["istio-ca", "other"]);
  });

  const user = (change: Partial<NonNullable<Review["user"]>>): Review => ({
    ...GOOD,
    user: { ...GOOD.user, ...change },
  });
  test.each<[string, Review, string]>([
    ["that is not authentic", { authenticated: false, error: "token has expired" }, "token has expired"],
    ["that is not authentic, without a reason", {}, "the token is not authentic"],
    ["for another audience", { ...GOOD, audiences: ["vault"] }, "the token is not meant for istio-ca or other"],
    [
      "from an API server without audiences",
      { ...GOOD, audiences: [] },
      "the token is not meant for istio-ca or other",
    ],
    ["of a user", user({ username: "alice" }), 'the token of "alice" does not belong to a service account'],
    [
      "of a user who is called like an account",
      user({ groups: ["system:authenticated"] }),
      'the token of "system:serviceaccount:mesh:ztunnel" does not belong to a service account',
    ],
    [
      "of an account with a strange name",
      user({ username: "system:serviceaccount:a/b:c" }),
      '"spiffe://td/ns/a/b/sa/c" is not spiffe://<trust domain>/ns/<namespace>/sa/<service account>',
    ],
  ])("%s is refused", async (_what, review, reason) => {
    expect(await authenticatorOf(async () => review).authenticate("t")).toEqual({ kind: "refused", reason });
  });

  it("that is not bound to a pod has none", async () => {
    const outcome = await authenticatorOf(async () => user({ extra: {} })).authenticate("t");
    expect(outcome).toMatchObject({ kind: "authenticated", caller: { pod: undefined } });
  });

  it("that is huge is not even reviewed", async () => {
    const reviewToken = vi.fn<ReviewToken>();
    expect(await authenticatorOf(reviewToken).authenticate("x".repeat(16_385))).toEqual({
      kind: "refused",
      reason: "the token is too long",
    });
    expect(reviewToken).not.toHaveBeenCalled();
  });
});

describe("reviews", () => {
  it("are made once for equal tokens, and again after ten seconds", async () => {
    let now = 0;
    const reviewToken = vi.fn<ReviewToken>(async () => GOOD);
    const authenticator = authenticatorOf(reviewToken, { ...systemClock, monotonicMs: () => now });
    await Promise.all([
      authenticator.authenticate("t"),
      authenticator.authenticate("t"),
      authenticator.authenticate("u"),
    ]);
    now = 9999;
    await authenticator.authenticate("t");
    expect(reviewToken).toHaveBeenCalledTimes(2);
    now = 10_000;
    await authenticator.authenticate("t");
    expect(reviewToken).toHaveBeenCalledTimes(3);
  });

  it("that failed are made again at once", async () => {
    const error = new Error("no connection");
    const reviewToken = vi
      .fn<ReviewToken>(async () => GOOD)
      .mockRejectedValueOnce(error)
      .mockResolvedValueOnce({});
    const authenticator = authenticatorOf(reviewToken);
    expect(await authenticator.authenticate("t")).toEqual({ kind: "unavailable", error });
    expect(await authenticator.authenticate("t")).toMatchObject({ kind: "refused" });
    expect(await authenticator.authenticate("t")).toMatchObject({ kind: "authenticated" });
  });
});

describe("a call", () => {
  const calls = new CallAuthenticator(
    authenticatorOf(async () => GOOD),
    { mesh: { trustDomain: "td" }, clusterId: "c1" },
  );
  const call = (metadata: Record<string, string>) => ({
    peerCertificate: undefined,
    metadata: (name: string): string | undefined => metadata[name],
  });

  test.each([
    [{ authorization: "Bearer t" }],
    [{ authorization: "bearer t", clusterid: "c1" }],
    [{ authorization: "Bearer t", clusterid: "" }],
  ])("with %j is authenticated", async (metadata) => {
    expect(await calls.authenticate(call(metadata))).toMatchObject({ kind: "authenticated", caller: { by: "token" } });
  });

  test.each<[Record<string, string>, string]>([
    [{}, "no token"],
    [{ authorization: "Basic t" }, "no bearer token"],
    [{ authorization: "Bearer a b" }, "no bearer token"],
    [{ authorization: "Bearer t", clusterid: "c2" }, 'cluster "c2" is not known here'],
  ])("with %j is refused", async (metadata, reason) => {
    expect(await calls.authenticate(call(metadata))).toEqual({ kind: "refused", reason });
  });
});
