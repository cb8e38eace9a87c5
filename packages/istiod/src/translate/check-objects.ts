// SPDX-License-Identifier: Apache-2.0
import { ISTIO_DEFINITIONS } from "@ambientmesh/api/istio";
import { createLocalKube, formatFeedProblem } from "@ambientmesh/kube/local";
import type { FileObject } from "./read-objects.ts";

/** What an API server would refuse in the objects, one sentence each; kinds without a schema here are not checked. */
export async function checkObjects(objects: readonly FileObject[]): Promise<readonly string[]> {
  await using server = createLocalKube({}, { definitions: ISTIO_DEFINITIONS });
  await server.start();
  return objects.flatMap(({ object, place }) => {
    const kind = server.objects.kindOf(object);
    if (!kind) return [];
    const json = structuredClone(object) as unknown as Parameters<typeof server.objects.check>[1];
    return server.objects.check(kind, json).map(({ path, message }) =>
      formatFeedProblem({
        file: place,
        object: `${object.kind} ${object.metadata.namespace ?? "default"}/${object.metadata.name}`,
        field: path.join("."),
        message,
      }),
    );
  });
}
