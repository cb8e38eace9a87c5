// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from "../../json/json.ts";
import type { ApiObject } from "../objects/api-object.ts";
import { scopeApiVersion, scopeKindId } from "../objects/scope.ts";
import type { Selection } from "../store/selection.ts";
import { WatchFeed, type WatchedEvent } from "../store/watch-feed.ts";
import { viewOf, type ApiCall } from "./call.ts";
import { refuseFutureVersion, requestedSelection } from "./collection-handler.ts";
import { count, flag, resourceVersion } from "./query.ts";
import { renderObject, type View } from "./render.ts";

/** A watch that is ready to be streamed; whoever has it disposes the feed. */
export interface PreparedWatch {
  readonly feed: WatchFeed;
  /** States to send first, as additions. */
  readonly initial: readonly ApiObject[];
  /** After the initial states: a bookmark that marks their end. */
  readonly initialEnd: JsonObject | undefined;
  readonly wantsBookmarks: boolean;
  readonly timeoutMs: number;
  /** One line of the stream. */
  readonly render: (event: WatchedEvent) => JsonObject;
}

/** How watches are kept. */
export interface WatchOptions {
  /** Changes that a slow reader may be behind. */
  readonly maxBacklog: number;
  /** For watches that do not ask for a time. */
  readonly defaultTimeoutMs: number;
}

/**
 * Opens a watch: from a resource version on, or beginning with everything that is there.
 * @throws MeshError KUBE_EXPIRED when the version is older than the history.
 */
export function prepareWatch(call: ApiCall, options: WatchOptions): PreparedWatch {
  const { deps, request, scope, path } = call;
  const query = new URLSearchParams(request.query);
  if (path.name !== undefined) query.append("fieldSelector", `metadata.name=${path.name}`);
  const version = resourceVersion(query) ?? 0;
  refuseFutureVersion(deps, version);
  const selection = requestedSelection(scope, query);
  const table = deps.store.table(scopeKindId(scope));
  const wantsInitial = flag(query, "sendInitialEvents");
  const isFresh = version === 0 || wantsInitial;
  const since = isFresh ? deps.store.resourceVersion : version;
  const timeoutSeconds = count(query, "timeoutSeconds") ?? 0;
  const view = viewOf(call);
  // The feed comes last: nothing after it may throw, or nobody would dispose it.
  return {
    initial: isFresh ? initialObjects(call, selection) : [],
    initialEnd: wantsInitial ? bookmark(call, since, { "k8s.io/initial-events-end": "true" }) : undefined,
    wantsBookmarks: flag(query, "allowWatchBookmarks"),
    timeoutMs: timeoutSeconds === 0 ? options.defaultTimeoutMs : timeoutSeconds * 1000,
    render: renderer(call, view),
    feed: new WatchFeed(table, selection, { since, capacity: options.maxBacklog }),
  };
}

function initialObjects({ deps, scope }: ApiCall, selection: Selection): readonly ApiObject[] {
  return deps.store.table(scopeKindId(scope)).list(scope.namespace).filter(selection.matches);
}

function bookmark({ scope }: ApiCall, version: number, annotations?: JsonObject): JsonObject {
  return {
    kind: scope.kind.definition.kind,
    apiVersion: scopeApiVersion(scope),
    metadata: { resourceVersion: String(version), creationTimestamp: null, ...(annotations && { annotations }) },
  };
}

function renderer(call: ApiCall, view: View): PreparedWatch["render"] {
  let hasColumns = true;
  return (event) => {
    if (event.type === "BOOKMARK") return { type: event.type, object: bookmark(call, event.resourceVersion) };
    const object = renderObject({ ...view, nowMs: call.deps.clock.now() }, event.object, hasColumns);
    hasColumns = false;
    return { type: event.type, object };
  };
}
