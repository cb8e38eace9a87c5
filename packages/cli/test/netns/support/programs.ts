// SPDX-License-Identifier: Apache-2.0

/** Answers HTTP with its own name and the address of who asks, and UDP with what was sent. */
export const SERVER = `
import { createServer } from "node:http";
import { createSocket } from "node:dgram";
const [port] = process.argv.slice(2).map(Number);
createServer((request, response) => {
  console.log("asked", request.url);
  response.end(JSON.stringify({ pod: process.env.HOSTNAME, client: request.socket.remoteAddress }));
}).listen(port, "0.0.0.0");
const udp = createSocket("udp4");
udp.on("message", (message, { address, port }) => udp.send(process.env.HOSTNAME + " " + message, port, address));
udp.bind(port, "0.0.0.0");
// As servers should in Kubernetes: goes on until nobody is sent here any more.
process.on("SIGTERM", () => setTimeout(() => process.exit(0), 500));
`;

/** Sends a datagram to HOST PORT and prints what comes back. */
export const UDP_CLIENT = `
import { createSocket } from "node:dgram";
const [host, port] = process.argv.slice(2);
const udp = createSocket("udp4");
udp.on("message", (message) => { console.log(message.toString()); udp.close(); });
udp.send("hello", Number(port), host);
setTimeout(() => process.exit(1), 5000).unref();
`;

/** A Namespace, and an echo server on each node behind two Services. */
export const SHOP = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Service
metadata: { name: echo, namespace: shop }
spec:
  selector: { app: echo }
  ports:
    - { name: http, port: 80, targetPort: web }
    - { name: udp, port: 80, targetPort: 8080, protocol: UDP }
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: shop }
spec:
  clusterIP: None
  selector: { app: echo }
  ports: [{ name: http, port: 8080 }]
---
apiVersion: v1
kind: Service
metadata: { name: empty, namespace: shop }
spec:
  selector: { app: nothing }
  ports: [{ port: 80 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: echo, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: echo } }
  template:
    metadata: { labels: { app: echo } }
    spec:
      containers:
        - name: echo
          command: [node, programs/server.mjs, "8080"]
          ports: [{ name: web, containerPort: 8080 }]
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop, labels: { app: client } }
spec:
  nodeSelector: { kubernetes.io/hostname: node1 }
  containers:
    - name: client
      command: [sh, -c, "echo started as $(NAME) on $(NODE) with $(IP); exec sleep infinity"]
      env:
        - { name: NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        - { name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
        - { name: IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
`;

export const SHOP_FILES: Readonly<Record<string, string>> = {
  "shop.yaml": SHOP,
  "programs/server.mjs": SERVER,
  "programs/udp-client.mjs": UDP_CLIENT,
};
