// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rootOf, startIstiod, startKube, type TestIstiod, type TestKube } from "../support/mesh.ts";

let kube: TestKube;
let istiod: TestIstiod;
let ca: string;

beforeAll(async () => {
  kube = await startKube();
  istiod = await startIstiod(kube.client);
  ca = await rootOf(kube.client);
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number | undefined;
  readonly body: unknown;
}

/** As the API server asks: with istiod's name and our root. */
async function ask(body: string, path = "/validate"): Promise<Answer> {
  const port = istiod.istiod.addresses.webhook?.port ?? 0;
  const headers = { "content-type": "application/json" };
  const call = request({
    host: "127.0.0.1",
    port,
    path,
    method: "POST",
    ca,
    servername: "istiod.istio-system.svc",
    headers,
  });
  call.end(body);
  const [response] = (await once(call, "response")) as [NodeJS.ReadableStream & { statusCode?: number }];
  return { status: response.statusCode, body: JSON.parse(await text(response)) as unknown };
}

const review = (spec: object): string =>
  JSON.stringify({
    kind: "AdmissionReview",
    apiVersion: "admission.k8s.io/v1",
    request: {
      uid: "u1",
      operation: "CREATE",
      resource: { group: "networking.istio.io", version: "v1", resource: "serviceentries" },
      object: {
        apiVersion: "networking.istio.io/v1",
        kind: "ServiceEntry",
        metadata: { name: "a", namespace: "b" },
        spec,
      },
    },
  });

describe("the webhook", () => {
  it("answers over TLS with a certificate of our root", async () => {
    const { status, body } = await ask(review({ hosts: ["a.com"], resolution: "DNS" }));
    expect({ status, body }).toMatchObject({ status: 200, body: { response: { uid: "u1", allowed: true } } });
  });

  it("refuses with precise messages, also below /validate/", async () => {
    const { body } = await ask(review({ hosts: ["*"], resolution: "NONE" }), "/validate/istio");
    expect(body).toMatchObject({
      response: { allowed: false, status: { message: 'spec.hosts[0] is "*": an entry for all hosts is not possible' } },
    });
    expect(await istiod.metrics.render("prometheus")).toContain(
      'galley_validation_failed{group="networking.istio.io",resource="serviceentries"} 1',
    );
  });

  it.each(["not json", "{}", "[]"])("answers 400 to %j", async (body) => {
    expect((await ask(body)).status).toBe(400);
  });
});
