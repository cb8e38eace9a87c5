// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { translateCommand } from "../../src/translate/command.ts";
import type { Translation } from "../../src/translate/translate.ts";

const EXAMPLES = join(import.meta.dirname, "..", "..", "..", "..", "examples");
const POLICY = `
apiVersion: security.istio.io/v1beta1
kind: AuthorizationPolicy
metadata: { name: web }
spec: { rules: [{ from: [{ source: { namespaces: [shop] } }] }] }
`;
const LIST = `
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Service
    metadata: { name: web, namespace: shop, labels: { istio.io/use-waypoint: gone } }
    spec: { clusterIP: 10.0.0.1 }
  - { apiVersion: batch/v1, kind: Job, metadata: { name: j, namespace: shop } }
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "translate-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const namesOf = ({ resources }: Translation): string[] => resources.map(({ name }) => name);

describe("istiod translate", () => {
  it("prints resources in the order in which they are sent, and conditions", async () => {
    const files = ["-f", file("policy.yaml", POLICY), "-f", file("list.yaml", LIST)];
    const { stdout, stderr, exitCode } = await translateCommand([...files, "-o", "json"]);
    const translation = JSON.parse(stdout) as Translation;
    expect(translation).toMatchInlineSnapshot(`
      {
        "failures": [],
        "resources": [
          {
            "name": "default/web",
            "resource": {
              "groups": [
                {
                  "rules": [
                    {
                      "matches": [
                        {
                          "namespaces": [
                            {
                              "exact": "shop",
                            },
                          ],
                        },
                      ],
                    },
                  ],
                },
              ],
              "name": "web",
              "namespace": "default",
              "scope": "NAMESPACE",
            },
            "type": "type.googleapis.com/istio.security.Authorization",
            "version": "d0e0ffb33a6269a6",
          },
          {
            "name": "shop/web.shop.svc.cluster.local",
            "resource": {
              "service": {
                "addresses": [
                  {
                    "address": "CgAAAQ==",
                  },
                ],
                "canonical": true,
                "hostname": "web.shop.svc.cluster.local",
                "name": "web",
                "namespace": "shop",
              },
            },
            "type": "type.googleapis.com/istio.workload.Address",
            "version": "d273a5d957805545",
          },
        ],
        "statuses": [
          {
            "conditions": [
              {
                "message": "attached to ztunnel",
                "reason": "Accepted",
                "status": "True",
                "type": "ZtunnelAccepted",
              },
            ],
            "key": "default/web",
            "kind": "AuthorizationPolicy",
          },
          {
            "conditions": [
              {
                "message": "waypoint shop/gone is missing or has no address yet; until then traffic is not led through a waypoint",
                "reason": "WaypointIsNotReady",
                "status": "False",
                "type": "istio.io/WaypointBound",
              },
            ],
            "key": "shop/web",
            "kind": "Service",
          },
        ],
      }
    `);
    expect(stderr).toEqual(["not read by istiod: Job shop/j"]);
    expect(exitCode).toBe(0);
  });

  it("prints the same as YAML", async () => {
    const path = file("policy.yaml", POLICY);
    const [json, yaml] = await Promise.all(
      ["json", "yaml"].map((format) => translateCommand(["-f", path, "-o", format])),
    );
    expect(parse(yaml?.stdout ?? "")).toEqual(JSON.parse(json?.stdout ?? ""));
  });

  it.each([
    ["bookshop", ["bookshop/catalog.bookshop.svc.cluster.local", "bookshop/storefront.bookshop.svc.cluster.local"]],
    ["policies", ["bookshop/only-customers"]],
  ])("reads the folder examples/%s", async (name, expected) => {
    const { stdout, exitCode } = await translateCommand(["-f", join(EXAMPLES, name), "-o", "json"]);
    expect(namesOf(JSON.parse(stdout) as Translation)).toEqual(expect.arrayContaining(expected));
    expect(exitCode).toBe(0);
  });

  it("names what an API server would refuse, and shows what istiod would make of it", async () => {
    const path = file("wrong.yaml", POLICY.replace("spec: {", "spec: { action: DENI, colour: red,"));
    const { stdout, stderr, exitCode } = await translateCommand(["-f", path, "-o", "json"]);
    expect(stderr).toEqual([
      `${path}:2: AuthorizationPolicy default/web: spec.colour: the kind has no field "spec.colour"`,
      `${path}:2: AuthorizationPolicy default/web: spec.action: "DENI": must be one of "ALLOW", "DENY", "AUDIT", "CUSTOM"`,
    ]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      statuses: [{ kind: "AuthorizationPolicy", key: "default/web", conditions: [{ status: "False" }] }],
      failures: [{ object: "policies: default/web" }],
    });
  });

  it("names what the webhook would refuse or warn of", async () => {
    const spec = "spec: { action: DENY, rules: [{ to: [{ operation: { methods: [GET] } }] }] }";
    const warned = await translateCommand(["-f", file("warned.yaml", POLICY.replace(/spec: .*/, spec))]);
    expect(warned).toMatchObject({ exitCode: 0, stderr: [expect.stringContaining("spec.rules") as string] });
    const refused = await translateCommand([
      "-f",
      file("refused.yaml", POLICY.replace(/spec: .*/, "spec: { action: DENY }")),
    ]);
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: [expect.stringContaining("without rules has no effect") as string],
    });
  });

  it("takes the mesh's names", async () => {
    const path = file("list.yaml", LIST);
    const { stdout } = await translateCommand(["-f", path, "--domain", "example.org", "-o", "json"]);
    expect(namesOf(JSON.parse(stdout) as Translation)).toEqual(["shop/web.shop.svc.example.org"]);
  });

  it("explains itself", async () => {
    expect((await translateCommand(["--help"])).stdout).toMatch("istiod translate -f FILE");
  });

  it.each([
    [[], "no file is given"],
    [["-f", "x.yaml", "--for", "waypoint:shop/w"], "waypoints are not supported"],
    [["-f", "x.yaml", "--for", "sidecar"], "only ztunnel"],
    [["-f", "x.yaml", "-o", "xml"], "only yaml and json"],
    [["-f", "/nowhere/x.yaml"], "can't be read"],
    [["--colour"], "--colour"],
  ])("refuses %j", async (argv, message) => {
    await expect(translateCommand(argv)).rejects.toThrow(message);
    await expect(translateCommand(argv)).rejects.toMatchObject({ code: "ISTIOD_TRANSLATE_USAGE" });
  });

  it.each([
    ["a: [", ":1"],
    ["- just\n- a list", "is no object"],
    ["kind: Pod\napiVersion: v1", "metadata.name"],
    ["text", "is no object"],
  ])("names the place of %j", async (text, message) => {
    const path = file("bad.yaml", text);
    await expect(translateCommand(["-f", path])).rejects.toThrow(message);
    await expect(translateCommand(["-f", path])).rejects.toMatchObject({ code: "ISTIOD_YAML_INVALID" });
  });
});
