// SPDX-License-Identifier: Apache-2.0

/** What a URL under /api or /apis is about. */
export interface ResourcePath {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly namespace?: string;
  readonly plural: string;
  readonly name?: string;
  readonly subresource?: string;
}

// Subresources of namespaces themselves, as opposed to kinds of objects in them.
const NAMESPACE_SUBRESOURCES = new Set(["status", "finalize"]);

/**
 * Reads `/api/v1/...` and `/apis/GROUP/VERSION/...` (Kubernetes, RequestInfo).
 * Undefined when the path is of another form or is not decodable.
 */
export function parseResourcePath(pathname: string): ResourcePath | undefined {
  const segments = decodeSegments(pathname);
  if (segments === undefined) return undefined;
  const [root, ...rest] = segments;
  const isCore = root === "api";
  const [version, ...parts] = isCore ? rest : rest.slice(1);
  const group = isCore ? "" : rest[0];
  if ((!isCore && root !== "apis") || group === undefined || version === undefined || parts.length === 0)
    return undefined;
  const [first, second, third] = parts;
  if (first === "namespaces" && second !== undefined && third !== undefined && !NAMESPACE_SUBRESOURCES.has(third)) {
    return resource({ group, version, namespace: second }, parts.slice(2));
  }
  return resource({ group, version }, parts);
}

function decodeSegments(pathname: string): readonly string[] | undefined {
  try {
    const segments = pathname.split("/").slice(1).map(decodeURIComponent);
    if (segments.at(-1) === "") segments.pop();
    return segments.includes("") ? undefined : segments;
  } catch {
    // A broken escape: no path of ours.
    return undefined;
  }
}

function resource(
  place: Pick<ResourcePath, "group" | "version" | "namespace">,
  [plural, name, subresource, ...rest]: readonly string[],
): ResourcePath | undefined {
  if (plural === undefined || rest.length > 0) return undefined;
  return { ...place, plural, ...(name !== undefined && { name }), ...(subresource !== undefined && { subresource }) };
}
