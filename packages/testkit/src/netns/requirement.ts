// SPDX-License-Identifier: Apache-2.0
import { createNetns } from "@ambientmesh/linux";
import { messageOf } from "@ambientmesh/core";
import { networkErrors } from "./errors.ts";

/**
 * Whether tests can make network namespaces here. Use it as `describe.runIf(canUseNetns(process.env))`: without root they
 * are skipped on a laptop, but fail where MESH_REQUIRE_ROOT=1 says that they must run.
 * @throws MeshError TESTKIT_ROOT_REQUIRED
 */
export function canUseNetns(env: Readonly<Record<string, string | undefined>>): boolean {
  try {
    createNetns()[Symbol.dispose]();
    return true;
  } catch (error) {
    if (env["MESH_REQUIRE_ROOT"] !== "1") return false;
    throw networkErrors.create(
      "TESTKIT_ROOT_REQUIRED",
      `no network namespace can be made: ${messageOf(error)}; run as root, or inside "unshare -Urnm"`,
      { cause: error },
    );
  }
}
