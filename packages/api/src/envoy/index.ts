// SPDX-License-Identifier: Apache-2.0
/**
 * All of Envoy's messages at once, for what comes in a google.protobuf.Any. Loading it takes a moment: programs that may
 * not need it import it dynamically. The messages themselves are in the subpaths below this one, such as `/envoy/cluster`.
 */
import { type DescFile, type DescMessage, type Registry, createRegistry } from "@bufbuild/protobuf";
import * as discovery from "../discovery.ts";
import * as accessLog from "./access-log.ts";
import * as admin from "./admin.ts";
import * as auth from "./auth.ts";
import * as bootstrap from "./bootstrap.ts";
import * as cluster from "./cluster.ts";
import * as core from "./core.ts";
import * as endpoint from "./endpoint.ts";
import * as httpFilters from "./http-filters.ts";
import * as listener from "./listener.ts";
import * as listenerFilters from "./listener-filters.ts";
import * as matching from "./matching.ts";
import * as networkFilters from "./network-filters.ts";
import * as rbac from "./rbac.ts";
import * as route from "./route.ts";
import * as transportSockets from "./transport-sockets.ts";
import * as type from "./type.ts";
import * as upstreams from "./upstreams.ts";

const SUBPATHS: readonly object[] = [
  accessLog,
  admin,
  auth,
  bootstrap,
  cluster,
  core,
  discovery,
  endpoint,
  httpFilters,
  listener,
  listenerFilters,
  matching,
  networkFilters,
  rbac,
  route,
  transportSockets,
  type,
  upstreams,
];

/** The types of Envoy's messages by name, with those that they use. */
export const envoyRegistry: Registry = createRegistry(...withDependencies(SUBPATHS.flatMap(filesIn)));

/** The .proto files that a subpath exports from; some have their filters in namespaces. */
function filesIn(exported: object): DescFile[] {
  return Object.values(exported).flatMap((value: object | string) => {
    if (typeof value !== "object") return [];
    if (isMessage(value)) return [value.file];
    return Object.prototype.toString.call(value) === "[object Module]" ? filesIn(value) : [];
  });
}

function isMessage(value: object): value is DescMessage {
  return "kind" in value && value.kind === "message";
}

function withDependencies(files: readonly DescFile[]): Set<DescFile> {
  const found = new Set(files);
  for (const file of found) for (const dependency of file.dependencies) found.add(dependency);
  return found;
}
