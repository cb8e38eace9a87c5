// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";

/** In which form a client wants objects. */
export type Representation = "object" | "table" | "metadata";

const META_GROUP = "meta.k8s.io";

/**
 * Chooses from an Accept header: objects as they are, as rows of a table (`as=Table`), or their metadata alone
 * (`as=PartialObjectMetadata`), always in JSON.
 * @throws MeshError KUBE_NOT_ACCEPTABLE when the client takes none of them.
 */
export function representationOf(accept: string | undefined): Representation {
  if (accept === undefined || accept.trim() === "") return "object";
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    if (!["application/json", "application/*", "*/*"].includes(type.toLowerCase())) continue;
    const representation = ofParameters(new Map(parameters.map(keyAndValue)));
    if (representation !== undefined) return representation;
  }
  throw kubeErrors.create("KUBE_NOT_ACCEPTABLE", "only the following media types are accepted: application/json");
}

function ofParameters(parameters: ReadonlyMap<string, string>): Representation | undefined {
  const as = parameters.get("as");
  if (as === undefined) return "object";
  if (parameters.get("g") !== META_GROUP || parameters.get("v") !== "v1") return undefined;
  if (as === "Table") return "table";
  return as === "PartialObjectMetadata" || as === "PartialObjectMetadataList" ? "metadata" : undefined;
}

function keyAndValue(parameter: string): [string, string] {
  const [key = "", value = ""] = parameter.split("=");
  return [key.toLowerCase(), value];
}
