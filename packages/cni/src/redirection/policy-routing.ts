// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { ipBatch, ipJson, isIpv6Enabled, linuxErrors, type IpVersion, type NetnsRef } from "@ambientmesh/linux";
import { CONNECTION_MARK, MARK_MASK, ROUTING } from "./numbers.ts";
import type { PodRules } from "./redirection.ts";

/*
 * The app answers to the address it saw, which is the client's although the proxy connected. Packets of such connections
 * (their mark is restored from the connection) are therefore routed to lo, where the proxy's socket waits for them.
 */

const EVERYTHING: Readonly<Record<IpVersion, string>> = { 4: "0.0.0.0/0", 6: "::/0" };
const TABLE = String(ROUTING.TABLE);
const RULE = `pref ${ROUTING.RULE_PRIORITY} fwmark ${CONNECTION_MARK}/${MARK_MASK} lookup ${TABLE}`;

/** Adds rule and route where they are missing. @throws MeshError LINUX_* */
export async function addPolicyRouting(netns: NetnsRef, rules: PodRules): Promise<void> {
  await Promise.all(
    versionsOf(netns, rules).map(async (version) => {
      const route = `route replace local ${EVERYTHING[version]} dev lo table ${TABLE}`;
      await ipBatchUnless(/File exists/, [route, `rule add ${RULE}`], { netns, version });
    }),
  );
}

/** Takes rule and route away where they are. @throws MeshError LINUX_* */
export async function removePolicyRouting(netns: NetnsRef): Promise<void> {
  await Promise.all(
    ([4, 6] as const).map(async (version) => {
      if (version === 6 && !isIpv6Enabled(netns)) return;
      const options = { netns, version };
      await ipBatchUnless(/No such (file|process)/, [`rule del ${RULE}`], options);
      const route = `route del local ${EVERYTHING[version]} dev lo table ${TABLE}`;
      await ipBatchUnless(/No such (file|process)|does not exist/, [route], options);
    }),
  );
}

/** True if rule and route are there. @throws MeshError LINUX_* */
export async function hasPolicyRouting(netns: NetnsRef, rules: PodRules): Promise<boolean> {
  const found = await Promise.all(
    versionsOf(netns, rules).map(async (version) => {
      const options = { netns, version };
      const [rule] = await ipJson(["rule", "list", "pref", String(ROUTING.RULE_PRIORITY)], options);
      const { fwmark, fwmask, table } = rule ?? {};
      if (!isDeepStrictEqual([fwmark, fwmask, table], [CONNECTION_MARK, MARK_MASK, TABLE])) return false;
      // Asking for a table that does not exist is an error, hence all of them.
      const routes = await ipJson(["route", "list", "table", "all", "type", "local"], options);
      return routes.some((route) => route["table"] === TABLE && route["dst"] === "default" && route["dev"] === "lo");
    }),
  );
  return found.every(Boolean);
}

/** A namespace whose lo has no IPv6 can't route to it either. */
function versionsOf(netns: NetnsRef, { hasIpv6 }: PodRules): readonly IpVersion[] {
  return hasIpv6 && isIpv6Enabled(netns) ? [4, 6] : [4];
}

async function ipBatchUnless(
  harmless: RegExp,
  lines: readonly string[],
  options: { readonly netns: NetnsRef; readonly version: IpVersion },
): Promise<void> {
  try {
    await ipBatch(lines, options);
  } catch (error) {
    if (!linuxErrors.is(error, "LINUX_TOOL_FAILED") || !harmless.test(String(error.details["stderr"]))) throw error;
  }
}
