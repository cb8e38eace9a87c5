// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { LineCounter, parseAllDocuments } from "yaml";
import { errors } from "../errors.ts";

/** An object with the way back to its place. */
export interface FileObject {
  readonly object: KubernetesObject;
  /** "policies.yaml:12". */
  readonly place: string;
}

/**
 * The objects of YAML texts by file name; the items of a List (`kubectl get -o yaml`) one by one.
 * @throws MeshError ISTIOD_YAML_INVALID naming file and line.
 */
export function readObjects(files: ReadonlyMap<string, string>): readonly FileObject[] {
  return [...files].flatMap(([file, text]) => {
    const lineCounter = new LineCounter();
    return parseAllDocuments(text, { lineCounter }).flatMap((document) => {
      const [error] = document.errors;
      if (error) throw invalid(`${file}:${lineCounter.linePos(error.pos[0]).line}`, error.message.split("\n")[0]);
      const place = `${file}:${lineCounter.linePos(document.contents?.range?.[0] ?? 0).line}`;
      const value = document.toJS({ maxAliasCount: 100 }) as unknown;
      return value === null || value === undefined ? [] : itemsOf(value, place);
    });
  });
}

function itemsOf(value: unknown, place: string): FileObject[] {
  const { kind, items } = value as { kind?: unknown; items?: unknown };
  if (typeof kind === "string" && kind.endsWith("List") && Array.isArray(items)) {
    return items.flatMap((item, at) => itemsOf(item, `${place} item ${at}`));
  }
  const object = value as Partial<KubernetesObject>;
  if (typeof object.apiVersion === "string" && typeof kind === "string" && typeof object.metadata?.name === "string") {
    return [{ object: object as KubernetesObject, place }];
  }
  throw invalid(place, "is no object with apiVersion, kind and metadata.name");
}

function invalid(place: string, problem = "can't be read"): Error {
  return errors.create("ISTIOD_YAML_INVALID", `${place}: ${problem}`);
}
