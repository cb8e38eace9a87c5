// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { Node } from "@ambientmesh/api/kubernetes";

/** Where a node stands. */
export interface NodeLocality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** @returns undefined if the node doesn't say. */
export function localityOf({ metadata: { labels = {} } }: Node): NodeLocality | undefined {
  const locality = {
    region: labels[KEYS.REGION] ?? "",
    zone: labels[KEYS.ZONE] ?? "",
    subzone: labels[KEYS.SUBZONE] ?? "",
  };
  return locality.region || locality.zone || locality.subzone ? locality : undefined;
}

/** The locality that an entry writes as "region/zone/subzone". */
export function localityOfText(text: string | undefined): NodeLocality | undefined {
  if (text === undefined || text === "") return undefined;
  const [region = "", zone = "", subzone = ""] = text.split("/");
  return { region, zone, subzone };
}
