// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { NetnsRef } from "../netns/netns.ts";
import { askNetlink, netlinkAttributes } from "./netlink.ts";

// linux/netlink.h, linux/rtnetlink.h
const NETLINK_ROUTE = 0;
const RTM_GETROUTE = 26;
const RTM_GETRULE = 34;
/** struct rtmsg and struct fib_rule_hdr are of one size. */
const FIXED_BYTES = 12;
/** When a route was last used: it differs each time. */
const RTA_CACHEINFO = 12;

/**
 * A text that is another one when routes or routing rules of a namespace have changed, of either IP version.
 * @throws MeshError LINUX_SYSCALL
 */
export function routingFingerprint(netns: NetnsRef): string {
  const hash = createHash("sha256");
  for (const type of [RTM_GETRULE, RTM_GETROUTE]) {
    const answer = askNetlink(netns, NETLINK_ROUTE, { type, isDump: true, body: Buffer.alloc(FIXED_BYTES) });
    for (const { body } of answer) {
      hash.update(body.subarray(0, FIXED_BYTES));
      const attributes = netlinkAttributes(body.subarray(FIXED_BYTES));
      const lasting = attributes.filter((attribute) => type === RTM_GETRULE || attribute.type !== RTA_CACHEINFO);
      for (const attribute of lasting) hash.update(Buffer.of(attribute.type)).update(attribute.value);
    }
  }
  return hash.digest("base64");
}
