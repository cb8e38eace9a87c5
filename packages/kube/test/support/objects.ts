// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap, Pod } from "@ambientmesh/api/kubernetes";

/** A ConfigMap as the API server would show it. */
export function configMap(name: string, version: number | string, data: Record<string, string> = {}): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "ns", uid: `uid-${name}`, resourceVersion: String(version) },
    data,
  };
}

/** A pod of about the size that real ones have. */
export function fatPod(index: number): Pod {
  const app = `app-${index % 100}`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${app}-7d9f8c6b5-${index.toString(36).padStart(5, "x")}`,
      namespace: `team-${index % 20}`,
      labels: { app, "pod-template-hash": "7d9f8c6b5", "app.kubernetes.io/name": app, version: "v1" },
      annotations: { "kubernetes.io/config.seen": "2026-01-01T00:00:00Z", "prometheus.io/scrape": "true" },
    },
    spec: {
      nodeName: `node-${index % 50}`,
      serviceAccountName: app,
      containers: [
        {
          name: "main",
          image: `registry.example.com/team/${app}:v1.2.3`,
          command: ["/bin/server", "--port=8080"],
          env: Array.from({ length: 10 }, (_, n) => ({ name: `SETTING_${n}`, value: `value-${n}-of-${app}` })),
          ports: [{ containerPort: 8080, name: "http" }],
        },
      ],
    },
  };
}
