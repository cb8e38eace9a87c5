// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { ValidatingWebhookConfiguration } from "@ambientmesh/api/kubernetes";
import { admissionAnswer, judge, readAdmissionRequest } from "../../src/webhook/admission-review.ts";
import { withCaBundle } from "../../src/webhook/ca-bundle-writer.ts";

const OPTIONS = { rootNamespace: "istio-system", unenforceable: "warn" } as const;
const review = (spec: unknown, change: object = {}): object => ({
  kind: "AdmissionReview",
  apiVersion: "admission.k8s.io/v1",
  request: {
    uid: "u1",
    operation: "CREATE",
    resource: { group: "security.istio.io", version: "v1", resource: "authorizationpolicies" },
    object: {
      apiVersion: "security.istio.io/v1",
      kind: "AuthorizationPolicy",
      metadata: { name: "p", namespace: "shop" },
      spec,
    },
    ...change,
  },
});
const GET_ONLY = { rules: [{ to: [{ operation: { methods: ["GET"] } }] }] };

function verdictOn(body: object, unenforceable: "warn" | "refuse" = "warn"): ReturnType<typeof judge> {
  const request = readAdmissionRequest(body);
  if (!request) throw new Error("no request");
  return judge(request, { ...OPTIONS, unenforceable });
}

describe("a review", () => {
  it("lets a good object through", () => {
    expect(verdictOn(review({ rules: [{}] }))).toEqual({ isAllowed: true, message: undefined, warnings: [] });
  });

  test.each([
    ["wrong", { action: "DENY" }, "spec.rules is missing"],
    ["of another shape", { rules: "none" }, "can't be read: spec.rules is no list"],
  ])("refuses an object that is %s", (_what, spec, message) => {
    const verdict = verdictOn(review(spec));
    expect(verdict).toMatchObject({ isAllowed: false, message: expect.stringContaining(message) as string });
    expect(admissionAnswer("u1", verdict)).toMatchObject({
      response: { uid: "u1", allowed: false, status: { code: 422 } },
    });
  });

  it("lets deletions and other kinds through", () => {
    expect(verdictOn(review({}, { operation: "DELETE", object: null })).isAllowed).toBe(true);
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" } };
    expect(verdictOn(review({}, { object: pod })).isAllowed).toBe(true);
  });

  it("warns of what node proxies can't enforce, or refuses it", () => {
    expect(verdictOn(review(GET_ONLY))).toMatchObject({
      isAllowed: true,
      warnings: [expect.stringContaining("methods")],
    });
    expect(verdictOn(review(GET_ONLY), "refuse")).toMatchObject({
      isAllowed: false,
      message: expect.stringContaining("can't be enforced by node proxies") as string,
    });
    const attached = { ...GET_ONLY, targetRefs: [{ kind: "Service", name: "web", group: "" }] };
    expect(verdictOn(review(attached), "refuse").isAllowed).toBe(true);
  });

  test.each([
    [undefined],
    [null],
    ["text"],
    [{}],
    [{ kind: "AdmissionReview" }],
    [review({}, { uid: 1 })],
    [review({}, { object: [] })],
    [review({}, { resource: {} })],
  ])("%j is none", (body) => expect(readAdmissionRequest(body)).toBeUndefined());

  it("is answered whatever the object is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom("AuthorizationPolicy", "PeerAuthentication"), (spec, kind) => {
        const body = review(spec, {
          object: { apiVersion: "security.istio.io/v1", kind, metadata: { name: "p" }, spec },
        });
        expect(typeof verdictOn(body).isAllowed).toBe("boolean");
      }),
    );
  });
});

describe("the root in a webhook configuration", () => {
  const configuration = (namespace: string, caBundle?: string): ValidatingWebhookConfiguration => ({
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: "v" },
    webhooks: [
      {
        name: "a",
        clientConfig: { service: { namespace, name: "istiod" }, ...(caBundle !== undefined && { caBundle }) },
      },
      { name: "b", clientConfig: { url: "https://elsewhere" } },
    ],
  });

  test.each([
    ["is written first", configuration("istio-system"), "Uk9PVA=="],
    ["is exchanged", configuration("istio-system", "b2xk"), "Uk9PVA=="],
    ["is left alone when it is right", configuration("istio-system", "Uk9PVA=="), undefined],
    ["is not written for another istiod", configuration("other"), undefined],
  ])("%s", (_what, object, expected) => {
    const webhooks = withCaBundle(object, "istio-system", "ROOT");
    expect(webhooks?.[0]?.clientConfig?.caBundle).toBe(expected);
    expect(webhooks?.[1]).toEqual(expected === undefined ? undefined : object.webhooks?.[1]);
  });
});
