// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { describe, expect, it } from "vitest";
import { unsupportedFields } from "../../src/local/kubelet/supported.ts";

const podWith = (spec: object): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "x", namespace: "shop" },
  spec: spec as Pod["spec"],
});
const app = { name: "app", command: ["true"] };

describe("unsupportedFields", () => {
  it("has nothing against what local mode does, or what has no effect", () => {
    const spec = {
      containers: [
        {
          ...app,
          image: "local",
          imagePullPolicy: "Always",
          resources: { limits: { cpu: 1 } },
          env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          volumeMounts: [{ name: "v", mountPath: "/v", readOnly: true }],
          readinessProbe: { httpGet: { port: 80 } },
          stdin: false,
          envFrom: [],
        },
      ],
      volumes: [{ name: "v", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } }],
      initContainers: [],
      shareProcessNamespace: false,
      securityContext: { runAsUser: 1 },
      dnsPolicy: "ClusterFirst",
      affinity: { podAntiAffinity: {} },
    };
    expect(unsupportedFields(podWith(spec))).toEqual([]);
  });

  it.each([
    [
      { containers: [{ name: "app", image: "nginx" }] },
      "spec.containers[0].command: local mode runs programs, not images; name the program to run",
    ],
    [{ containers: [app], initContainers: [app] }, "spec.initContainers: not supported in local mode"],
    [{ containers: [app], shareProcessNamespace: true }, "spec.shareProcessNamespace: not supported in local mode"],
    [{ containers: [app], dnsPolicy: "None" }, "spec.dnsPolicy: None is not supported in local mode"],
    [
      { containers: [{ ...app, livenessProbe: { tcpSocket: { port: 1 } } }] },
      "spec.containers[0].livenessProbe: not supported in local mode",
    ],
    [
      { containers: [{ ...app, readinessProbe: { exec: { command: ["true"] } } }] },
      "spec.containers[0].readinessProbe: only httpGet and tcpSocket are supported in local mode",
    ],
    [
      { containers: [{ ...app, env: [{ name: "A", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }] }] },
      "spec.containers[0].env[0].valueFrom: only fieldRef is supported in local mode",
    ],
    [
      { containers: [{ ...app, env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "status.phase" } } }] }] },
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: "status.phase" is not supported in local mode',
    ],
    [
      { containers: [{ ...app, volumeMounts: [{ name: "v", mountPath: "/v", subPath: "x" }] }] },
      "spec.containers[0].volumeMounts[0].subPath: not supported in local mode",
    ],
    [
      { containers: [app], volumes: [{ name: "v", nfs: { path: "/" } }] },
      "spec.volumes[0].nfs: not supported in local mode",
    ],
    [
      { containers: [app], volumes: [{ name: "v", projected: { sources: [{ secret: { name: "s" } }] } }] },
      "spec.volumes[0].projected.sources[0].secret: not supported in local mode",
    ],
  ])("names what local mode can't do: %o", (spec, problem) => {
    expect(unsupportedFields(podWith(spec))).toEqual([problem]);
  });
});
