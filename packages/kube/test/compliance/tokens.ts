// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { RESOURCES, type ObjectRef } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

/** TokenRequest and TokenReview. */
export function describeTokens(api: () => ApiUnderTest): void {
  const newAccount = async (): Promise<ObjectRef & { namespace: string }> => {
    const namespace = await api().newNamespace();
    const ref = { name: "web", namespace };
    await api().client.create(RESOURCES.ServiceAccount, { metadata: ref });
    return ref;
  };

  describe("tokens", () => {
    it("stand for the account at the audience they were made for, and nowhere else", async () => {
      const account = await newAccount();
      const { client } = api();
      const { token, expirationTimestamp } = await client.requestToken(account, {
        audiences: ["istio-ca"],
        expirationSeconds: 3600,
      });
      expect(Date.parse(expirationTimestamp)).toBeGreaterThan(Date.now());
      const good = await client.reviewToken({ token, audiences: ["other", "istio-ca"] });
      expect(good).toMatchObject({
        authenticated: true,
        audiences: ["istio-ca"],
        user: {
          username: `system:serviceaccount:${account.namespace}:web`,
          groups: expect.arrayContaining(["system:serviceaccounts", `system:serviceaccounts:${account.namespace}`]),
        },
      });
      expect((await client.reviewToken({ token, audiences: ["other"] })).authenticated ?? false).toBe(false);
      expect((await client.reviewToken({ token })).authenticated ?? false).toBe(false);
    });

    it("bound to a pod name it, and end with it", async () => {
      const account = await newAccount();
      const { client } = api();
      const { namespace } = account;
      const pod = await client.create(RESOURCES.Pod, {
        metadata: { name: "p", namespace },
        spec: { serviceAccountName: "web", containers: [{ name: "a", image: "a" }], nodeSelector: { no: "such" } },
      });
      const boundObjectRef = { kind: "Pod", apiVersion: "v1", name: "p", uid: pod.metadata.uid ?? "" };
      const { token } = await client.requestToken(account, { audiences: ["istio-ca"], boundObjectRef });
      const review = (): ReturnType<typeof client.reviewToken> =>
        client.reviewToken({ token, audiences: ["istio-ca"] });
      expect((await review()).user?.extra).toMatchObject({
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": [pod.metadata.uid],
      });
      await client.delete(RESOURCES.Pod, { name: "p", namespace }, { gracePeriodSeconds: 0 });
      expect(await eventually(async () => (await review()).authenticated !== true)).toBe(true);
    });

    it("can't be bound to what is not there, nor be too short", async () => {
      const account = await newAccount();
      const { client } = api();
      const boundObjectRef = { kind: "Pod", apiVersion: "v1", name: "none" };
      await expect(client.requestToken(account, { boundObjectRef })).rejects.toHaveProperty("code");
      await expect(client.requestToken(account, { expirationSeconds: 5 })).rejects.toMatchObject({
        code: "KUBE_INVALID",
      });
      const ghost = { ...account, name: "ghost" };
      await expect(client.requestToken(ghost, {})).rejects.toMatchObject({ code: "KUBE_NOT_FOUND" });
    });

    it.each([
      ["a word", "garbage"],
      ["three parts of nothing", "a.b.c"],
      ["an unsigned token", "eyJhbGciOiJub25lIn0.e30."],
      ["a long text", "x".repeat(5000)],
    ])("refuses %s", async (_what, token) => {
      expect((await api().client.reviewToken({ token, audiences: ["istio-ca"] })).authenticated ?? false).toBe(false);
    });
  });
}
