// SPDX-License-Identifier: Apache-2.0
// The real kubectl (1.29 or newer) against the local API server. Needs kubectl on PATH.
import { describe, expect, it, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { hasKubectl, startKubectl, type Kubectl, type Outcome } from "../support/kubectl.ts";

const APP = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers:
        - name: web
          image: web:1
          ports: [{containerPort: 80, name: http}]
          resources: {limits: {cpu: 1}}
          livenessProbe: {httpGet: {path: /, port: 80}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  selector: {app: cart}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: shop, labels: {app: probe}}
spec: {containers: [{name: main, image: busybox}]}
`;

const lines = ({ stdout }: Outcome): readonly string[] => stdout.trim().split("\n");

async function startWithApp(): Promise<Kubectl> {
  const kubectl = await startKubectl();
  await kubectl.run("apply -f -", APP);
  return kubectl;
}

describe.runIf(hasKubectl)("kubectl", () => {
  it("applies, finds nothing to do, applies a change, shows the difference", async () => {
    await using kubectl = await startKubectl();
    const all = ["namespace/shop", "deployment.apps/cart", "service/cart", "pod/probe"];
    expect(lines(await kubectl.run("apply -f -", APP))).toEqual(all.map((name) => `${name} created`));
    expect(lines(await kubectl.run("apply -f -", APP))).toEqual(all.map((name) => `${name} unchanged`));
    const changed = APP.replace("replicas: 2", "replicas: 3").replace("port: 80, targetPort", "port: 81, targetPort");
    const diff = await kubectl.run("diff -f -", changed);
    expect(diff.stdout).toContain("+  replicas: 3");
    expect(lines(await kubectl.run("apply -f -", changed))).toEqual([
      "namespace/shop unchanged",
      "deployment.apps/cart configured",
      "service/cart configured",
      "pod/probe unchanged",
    ]);
    const ports = await kubectl.run("-n shop get service cart -o jsonpath={.spec.ports[*].port}");
    expect(ports.stdout).toBe("81");
  });

  it("tells what is wrong with a manifest", async () => {
    await using kubectl = await startKubectl();
    const unknown = await kubectl.run("apply -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndota: {}\n");
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('unknown field "dota"') });
    const invalid = await kubectl.run(
      "apply -f -",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n",
    );
    expect(invalid.stderr).toContain(
      'The Pod "a" is invalid: spec.containers: Invalid value: must have at least 1 items',
    );
    const kind = await kubectl.run("apply -f -", "apiVersion: v1\nkind: Pond\nmetadata: {name: a}\n");
    expect(kind.stderr).toContain('no matches for kind "Pond"');
    const namespace = await kubectl.run(
      "apply -f -",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: none}\n",
    );
    expect(namespace.stderr).toContain('namespaces "none" not found');
  });

  it("applies on the server's side, and names owners of conflicting fields", async () => {
    await using kubectl = await startWithApp();
    expect((await kubectl.run("apply --server-side -f -", APP)).stdout).toContain(
      "deployment.apps/cart serverside-applied",
    );
    const other = APP.replace("replicas: 2", "replicas: 5");
    const conflict = await kubectl.run("apply --server-side --field-manager other -f -", other);
    expect(conflict.code).toBe(1);
    expect(conflict.stderr).toMatch(/Apply failed with 1 conflict: conflict with "kubectl"[^:]*: \.spec\.replicas/);
    const forced = await kubectl.run("apply --server-side --field-manager other --force-conflicts -f -", other);
    expect(forced).toMatchObject({ code: 0 });
    const replicas = await kubectl.run("-n shop get deployment cart -o jsonpath={.spec.replicas}");
    expect(replicas.stdout).toBe("5");
  });

  it("shows tables", async () => {
    await using kubectl = await startWithApp();
    const [header, row] = lines(await kubectl.run("-n shop get deployments -o wide"));
    expect(header).toMatch(/^NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\s+CONTAINERS\s+IMAGES\s+SELECTOR$/);
    expect(row).toMatch(/^cart\s+0\/2\s+0\s+0\s+\d+s\s+web\s+web:1\s+app=cart$/);
    expect((await kubectl.run("get pods,services -A")).stdout).toMatch(/shop\s+pod\/probe\s+0\/1\s+Pending/);
    expect((await kubectl.run("get all -n shop")).stdout).toContain("deployment.apps/cart");
    expect((await kubectl.run("get pods -n none")).stderr).toContain("No resources found in none namespace.");
    expect(
      (await kubectl.run("get po -n shop -l app=probe --field-selector status.phase=Pending -o name")).stdout,
    ).toBe("pod/probe\n");
    expect((await kubectl.run("get pods -n shop --show-labels")).stdout).toContain("app=probe");
  });

  it("labels, annotates, patches, scales", async () => {
    await using kubectl = await startWithApp();
    expect((await kubectl.run("label namespace shop istio.io/dataplane-mode=ambient")).stdout).toContain(
      "namespace/shop labeled",
    );
    expect((await kubectl.run("label namespace shop istio.io/dataplane-mode-")).stdout).toContain("unlabeled");
    expect((await kubectl.run("-n shop annotate pod probe a/b=c")).stdout).toContain("annotated");
    const patches = [
      `-n shop patch deployment cart -p {"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2"}]}}}}`,
      `-n shop patch deployment cart --type merge -p {"spec":{"replicas":4}}`,
      `-n shop patch deployment cart --type json -p [{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]`,
      `-n shop patch pod probe --subresource status --type merge -p {"status":{"phase":"Running"}}`,
    ];
    for (const patch of patches)
      expect(await kubectl.run(patch)).toMatchObject({ code: 0, stdout: expect.stringContaining("patched") });
    expect((await kubectl.run("-n shop scale deployment cart --replicas 1")).stdout).toContain("scaled");
    expect((await kubectl.run("-n shop set image deployment/cart web=web:3")).stdout).toContain("image updated");
    const path =
      "{.spec.replicas} {.spec.template.spec.containers[0].image} {.metadata.labels.a} {.metadata.generation}";
    expect((await kubectl.run(`-n shop get deployment cart -o jsonpath=${path.replaceAll(" ", "{','}")}`)).stdout).toBe(
      "1,web:3,b,5",
    );
    expect((await kubectl.run("-n shop get pod probe -o jsonpath={.status.phase}")).stdout).toBe("Running");
  });

  it("waits and watches", async () => {
    await using kubectl = await startWithApp();
    using watching = kubectl.start("-n shop get pods --watch --output-watch-events");
    let seen = "";
    watching.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    await eventually(() => seen.includes("probe"));
    const waiting = kubectl.run("-n shop wait pod/probe --for=condition=Ready --timeout=20s");
    const until = kubectl.run("-n shop wait pod/probe --for=jsonpath={.status.phase}=Running --timeout=20s");
    await kubectl.run(
      `-n shop patch pod probe --subresource status --type merge -p {"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`,
    );
    expect((await waiting).stdout).toContain("pod/probe condition met");
    expect((await until).stdout).toContain("condition met");
    const gone = kubectl.run("-n shop wait pod/probe --for=delete --timeout=20s");
    expect((await kubectl.run("-n shop delete pod probe")).stdout).toContain('pod "probe" deleted');
    expect(await gone).toMatchObject({ code: 0 });
    await eventually(() => /DELETED\s+probe/.test(seen));
  });

  it("deletes by file, by label, and namespaces with all that is in them", async () => {
    await using kubectl = await startWithApp();
    expect(await kubectl.run("-n shop delete services -l nothing=here")).toMatchObject({ code: 0 });
    expect(lines(await kubectl.run("delete -f -", APP))).toHaveLength(4);
    expect((await kubectl.run("get namespace shop")).stderr).toContain('namespaces "shop" not found');
    await kubectl.run("apply -f -", APP);
    expect((await kubectl.run("delete namespace shop")).stdout).toContain('namespace "shop" deleted');
    expect((await kubectl.run("get pods -A")).stderr).toContain("No resources found");
    expect(await kubectl.run("delete pod none --ignore-not-found")).toMatchObject({ code: 0 });
  });

  it("describes, explains, lists kinds, and knows definitions as soon as they are established", async () => {
    await using kubectl = await startWithApp();
    expect((await kubectl.run("-n shop describe service cart")).stdout).toMatch(/TargetPort:\s+http\/TCP/);
    expect((await kubectl.run("describe namespace shop")).stdout).toMatch(/Status:\s+Active/);
    expect((await kubectl.run("explain pod.spec.containers.ports")).stdout).toContain(
      "containerPort\t<integer> -required-",
    );
    expect((await kubectl.run("api-resources --no-headers -o name")).stdout).toContain("deployments.apps");
    const schema = "{type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}";
    const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: ${schema}}}]
`;
    expect((await kubectl.run("apply -f -", definition)).stdout).toContain("created");
    expect(
      (await kubectl.run("wait --for=condition=established crd/widgets.example.com --timeout=20s")).stdout,
    ).toContain("condition met");
    const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 1}\n";
    expect((await kubectl.run("apply -f -", widget)).stdout).toContain("widget.example.com/w created");
    expect((await kubectl.run("apply -f -", widget.replace("1}", "2}"))).stdout).toContain("configured");
    expect((await kubectl.run("get wd -o name")).stdout).toBe("widget.example.com/w\n");
    expect((await kubectl.run("explain widget.spec")).stdout).toContain("size\t<integer>");
  });

  test.each([
    ["create namespace made", "namespace/made created"],
    ["create configmap c --from-literal=a=b", "configmap/c created"],
    ["create secret generic s --from-literal=a=b", "secret/s created"],
    ["create serviceaccount sa", "serviceaccount/sa created"],
    ["create deployment d --image=nginx --replicas=2 --port=80", "deployment.apps/d created"],
    ["create service clusterip svc --tcp=80:8080", "service/svc created"],
    ["run r --image=nginx --port=80 --labels=app=r", "pod/r created"],
    ["auth whoami", "kubernetes-admin"],
    ["auth can-i delete pods", "yes"],
    ["create token default --audience istio-ca --duration 1h", "."],
  ])("%s", async (command, expected) => {
    await using kubectl = await startKubectl();
    expect(await kubectl.run(command)).toMatchObject({ code: 0, stdout: expect.stringContaining(expected) });
  });
});
