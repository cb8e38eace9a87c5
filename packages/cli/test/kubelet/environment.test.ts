// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { commandOf, expand } from "../../src/local/kubelet/environment.ts";
import { fieldValue, isFieldPath } from "../../src/local/kubelet/field-paths.ts";
import { pod } from "../support/objects.ts";

const facts = {
  pod: pod("shop/cart-1", {
    labels: { app: "cart", "app.kubernetes.io/name": "basket" },
    annotations: { note: "hello" },
    spec: { nodeName: "node1", serviceAccountName: "cart" },
  }),
  podIp: "10.244.1.2",
  hostIp: "10.99.0.11",
};

describe("fieldRef", () => {
  it.each([
    ["metadata.name", "cart-1"],
    ["metadata.namespace", "shop"],
    ["metadata.uid", "uid-cart-1"],
    ["metadata.labels['app']", "cart"],
    ["metadata.labels['app.kubernetes.io/name']", "basket"],
    ["metadata.labels['none']", ""],
    ["metadata.annotations['note']", "hello"],
    ["spec.nodeName", "node1"],
    ["spec.serviceAccountName", "cart"],
    ["status.podIP", "10.244.1.2"],
    ["status.podIPs", "10.244.1.2"],
    ["status.hostIP", "10.99.0.11"],
  ])("%s is %s", (path, value) => {
    expect(isFieldPath(path)).toBe(true);
    expect(fieldValue(path, facts)).toBe(value);
  });

  it.each(["metadata.labels", "status.phase", "constructor", "metadata.labels['']", "spec"])("%s is none", (path) => {
    expect(isFieldPath(path)).toBe(false);
    expect(fieldValue(path, facts)).toBe("");
  });
});

describe("commandOf", () => {
  it("puts variables together in their order, over those that every program gets", () => {
    const { argv, env } = commandOf(
      {
        name: "app",
        command: ["serve", "--name=$(POD_NAME)"],
        args: ["$(URL)", "$(UNKNOWN)", "$$(URL)"],
        env: [
          { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "URL", value: "http://$(POD_NAME):$(PORT)" },
          { name: "PORT", value: "80" },
          { name: "PATH", value: "/opt:$(PATH)" },
          { name: "EMPTY" },
        ],
      },
      facts,
      { PATH: "/bin" },
    );
    expect(argv).toEqual(["serve", "--name=cart-1", "http://cart-1:$(PORT)", "$(UNKNOWN)", "$(URL)"]);
    expect(env).toEqual({ PATH: "/opt:/bin", POD_NAME: "cart-1", URL: "http://cart-1:$(PORT)", PORT: "80", EMPTY: "" });
  });

  it("does not take inherited properties for variables", () => expect(expand("$(toString)", {})).toBe("$(toString)"));
});
