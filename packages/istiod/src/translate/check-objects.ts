// SPDX-License-Identifier: Apache-2.0
import { ISTIO_DEFINITIONS } from "@ambientmesh/api/istio";
import type { Finding } from "@ambientmesh/authz";
import { messageOf } from "@ambientmesh/core";
import { createLocalKube, formatFeedProblem, type LocalKube } from "@ambientmesh/kube/local";
import { validateObject } from "../validation/validate-object.ts";
import type { FileObject } from "./read-objects.ts";

/** What is wrong with objects, a sentence each. */
export interface CheckedObjects {
  /** What an API server with the mesh's webhook would refuse. */
  readonly refused: readonly string[];
  /** What it would warn of. */
  readonly warnings: readonly string[];
}

/** Checks objects against the schemas of their kinds and the rules of the webhook; kinds without either are not checked. */
export async function checkObjects(objects: readonly FileObject[]): Promise<CheckedObjects> {
  await using server = createLocalKube({}, { definitions: ISTIO_DEFINITIONS });
  await server.start();
  const checked = objects.map((object) => ({ object, findings: findingsOn(object, server) }));
  const ofSeverity = (severity: Finding["severity"]): string[] =>
    checked.flatMap(({ object: { object, place }, findings }) =>
      findings
        .filter((finding) => finding.severity === severity)
        .map(({ path, message }) =>
          formatFeedProblem({
            file: place,
            object: `${object.kind} ${object.metadata.namespace ?? "default"}/${object.metadata.name}`,
            field: path,
            message,
          }),
        ),
    );
  return { refused: ofSeverity("error"), warnings: ofSeverity("warning") };
}

function findingsOn({ object }: FileObject, server: LocalKube): readonly Finding[] {
  const kind = server.objects.kindOf(object);
  if (!kind) return [];
  const json = structuredClone(object) as unknown as Parameters<typeof server.objects.check>[1];
  const issues = server.objects.check(kind, json);
  if (issues.length > 0) {
    return issues.map(({ path, message }) => ({ severity: "error", path: path.join("."), message }));
  }
  try {
    return validateObject(object) ?? [];
  } catch (error) {
    return [{ severity: "error", path: "spec", message: messageOf(error) }];
  }
}
