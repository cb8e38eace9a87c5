// SPDX-License-Identifier: Apache-2.0
import { isMeshError } from "@ambientmesh/core";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { count, deleteOptions, writeOptions } from "../../../src/local/http/query.ts";
import { representationOf } from "../../../src/local/http/representation.ts";
import { parseResourcePath } from "../../../src/local/http/request-path.ts";
import { ListPages } from "../../../src/local/store/list-pages.ts";

const isOwnError = (call: () => unknown): boolean => {
  try {
    call();
    return true;
  } catch (error) {
    return isMeshError(error) && error.code.startsWith("KUBE_");
  }
};

describe("paths", () => {
  test.each([
    ["/api/v1/pods", { group: "", version: "v1", plural: "pods" }],
    ["/api/v1/namespaces", { group: "", version: "v1", plural: "namespaces" }],
    ["/api/v1/namespaces/a", { group: "", version: "v1", plural: "namespaces", name: "a" }],
    [
      "/api/v1/namespaces/a/status",
      { group: "", version: "v1", plural: "namespaces", name: "a", subresource: "status" },
    ],
    ["/api/v1/namespaces/a/pods/", { group: "", version: "v1", namespace: "a", plural: "pods" }],
    [
      "/api/v1/namespaces/a/pods/b/status",
      { group: "", version: "v1", namespace: "a", plural: "pods", name: "b", subresource: "status" },
    ],
    ["/apis/apps/v1/deployments", { group: "apps", version: "v1", plural: "deployments" }],
    [
      "/apis/a.b/v1/namespaces/n%2Fs/xs/%C3%BC",
      { group: "a.b", version: "v1", namespace: "n/s", plural: "xs", name: "ü" },
    ],
    ["/api/v1", undefined],
    ["/apis/apps", undefined],
    ["/other/v1/pods", undefined],
    ["/api/v1//pods", undefined],
    ["/api/v1/pods/a/b/c", undefined],
    ["/api/v1/%E0%A4%A", undefined],
  ])("%s", (path, expected) => expect(parseResourcePath(path)).toEqual(expected));

  it("are read without failing, whatever they are", () => {
    const property = fc.property(
      fc.string({ unit: fc.constantFrom("a", "/", "%", "2", "F", "namespaces/", "api/v1/", ".") }),
      (path) => {
        const parsed = parseResourcePath(`/${path}`);
        return parsed === undefined || parsed.plural !== "";
      },
    );
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("Accept headers", () => {
  test.each([
    [undefined, "object"],
    ["", "object"],
    ["*/*", "object"],
    [
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
      "table",
    ],
    ["application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", "object"],
    ["application/vnd.kubernetes.protobuf,application/json", "object"],
    ["application/json; as=PartialObjectMetadataList; v=v1; g=meta.k8s.io", "metadata"],
  ])("%s", (accept, expected) => expect(representationOf(accept)).toBe(expected));

  it("are read or refused, whatever they are", () => {
    const words = fc.constantFrom("application/json", "*/*", ";", "as=Table", "v=v1", "g=meta.k8s.io", ",", "=", " ");
    const property = fc.property(fc.array(words), (parts) => isOwnError(() => representationOf(parts.join(""))));
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("queries", () => {
  test.each([
    ["limit=5", 5],
    ["limit=", undefined],
    ["", undefined],
  ])("count %j", (query, expected) => expect(count(new URLSearchParams(query), "limit")).toBe(expected));

  test.each(["limit=x", "limit=-1", "limit=1e3", `limit=${"9".repeat(20)}`])("refuse %s", (query) => {
    expect(() => count(new URLSearchParams(query), "limit")).toThrow("is not a whole number");
  });

  it("name the writer, by parameter or by program", () => {
    const options = (query: string, agent?: string): string =>
      writeOptions(new URLSearchParams(query), agent).fieldManager;
    expect([options("fieldManager=me", "kubectl/1"), options("", "kubectl/1.33"), options("")]).toEqual([
      "me",
      "kubectl",
      "unknown",
    ]);
    expect(() => options(`fieldManager=${"x".repeat(129)}`)).toThrow("128");
    expect(() => writeOptions(new URLSearchParams("dryRun=Some"), undefined)).toThrow("dryRun");
    expect(() => writeOptions(new URLSearchParams("fieldValidation=Maybe"), undefined)).toThrow("fieldValidation");
  });

  it("of deletions are those of the body, then those of the URL", () => {
    const query = new URLSearchParams("gracePeriodSeconds=5&propagationPolicy=Orphan&dryRun=All");
    expect(deleteOptions(query, undefined)).toMatchObject({
      gracePeriodSeconds: 5,
      propagation: "Orphan",
      isDryRun: true,
    });
    const body = { gracePeriodSeconds: 7, propagationPolicy: "Foreground", dryRun: [], preconditions: { uid: "u" } };
    expect(deleteOptions(query, body)).toMatchObject({
      gracePeriodSeconds: 7,
      propagation: "Foreground",
      isDryRun: false,
      preconditions: { uid: "u" },
    });
    expect(() => deleteOptions(query, { gracePeriodSeconds: -1 })).toThrow("gracePeriodSeconds");
    expect(() => deleteOptions(query, { propagationPolicy: "Sideways" })).toThrow("propagationPolicy");
  });
});

describe("continue tokens", () => {
  it("are good or refused, whatever they are", () => {
    const pages = new ListPages(2);
    pages.begin({ items: [], resourceVersion: 1 }, 0);
    const property = fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.tuple(fc.nat(), fc.nat()).map(([id, at]) => Buffer.from(`${id}.${at}`).toString("base64url")),
      ),
      (token) => isOwnError(() => pages.next(token, 1)),
    );
    expect(fc.check(property).counterexample).toBeNull();
  });
});
