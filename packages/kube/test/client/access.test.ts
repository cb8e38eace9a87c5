// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { connectKube, kubeTargetOf } from "../../src/index.ts";

describe("targets", () => {
  test.each([
    [{}, undefined, undefined],
    [{ KUBECONFIG: "/a" }, undefined, { kind: "kubeconfig", path: "/a" }],
    [{ KUBECONFIG: "" }, "", undefined],
    [
      { KUBECONFIG: "/a", KUBERNETES_SERVICE_HOST: "10.0.0.1" },
      undefined,
      { kind: "in-cluster", host: "10.0.0.1", port: 443 },
    ],
    [
      { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" },
      undefined,
      { kind: "in-cluster", host: "fd00::1", port: 6443 },
    ],
    [{ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, "/flag", { kind: "kubeconfig", path: "/flag" }],
  ])("of %j and flag %s", (env, flag, expected) => {
    expect(kubeTargetOf(env, flag)).toEqual(expected);
  });

  it("have to be URLs", async () => {
    await expect(connectKube({ kind: "server", server: "not a url" })).rejects.toMatchObject({
      code: "KUBE_CONFIG_INVALID",
    });
    await expect(connectKube({ kind: "server", server: "ftp://x" })).rejects.toMatchObject({
      code: "KUBE_CONFIG_INVALID",
    });
    using client = await connectKube({ kind: "in-cluster", host: "fd00::1", port: 443, directory: "/no/such" });
    expect(client.namespace).toBeUndefined();
  });
});
