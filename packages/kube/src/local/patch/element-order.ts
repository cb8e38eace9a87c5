// SPDX-License-Identifier: Apache-2.0
import { isJsonObject, jsonEqual, type Json } from "../../json/json.ts";

/**
 * Brings the items of a list into the order that a `$setElementOrder` directive asks for. Items that it does not name
 * stay behind the item that they followed.
 *
 * @param mergeKey the key field of the items, undefined for lists of scalars
 */
export function reorder(list: readonly Json[], order: readonly Json[], mergeKey: string | undefined): readonly Json[] {
  const identity = (item: Json): Json | undefined =>
    mergeKey === undefined ? item : isJsonObject(item) ? item[mergeKey] : undefined;
  const rank = (item: Json): number => order.findIndex((wanted) => jsonEqual(identity(wanted), identity(item)));
  const heads: { readonly rank: number; readonly items: Json[] }[] = [{ rank: -1, items: [] }];
  for (const item of list) {
    const itemRank = rank(item);
    if (itemRank < 0) heads.at(-1)?.items.push(item);
    else heads.push({ rank: itemRank, items: [item] });
  }
  return heads.sort((a, b) => a.rank - b.rank).flatMap((head) => head.items);
}
