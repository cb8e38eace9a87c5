// SPDX-License-Identifier: Apache-2.0
import { NetworkPlan, createNetns, type Netns } from "../../src/index.ts";

/**
 * Whether this process may make network namespaces. To run these tests: as root, or under `unshare -Urnm`.
 * With MESH_REQUIRE_ROOT=1 they fail instead of being skipped.
 */
export function mayUseNetns(): boolean {
  try {
    createNetns()[Symbol.dispose]();
    return true;
  } catch (error) {
    if (process.env["MESH_REQUIRE_ROOT"] === "1") throw error;
    return false;
  }
}

/** Two namespaces joined by a veth pair, `eth0` in both. */
export interface TwoPods extends Disposable {
  readonly a: Netns;
  readonly b: Netns;
}

export const A = { v4: "10.9.0.1", v6: "fd00:9::1" };
export const B = { v4: "10.9.0.2", v6: "fd00:9::2" };

export async function twoPods(): Promise<TwoPods> {
  const a = createNetns();
  const b = createNetns();
  const pods = {
    a,
    b,
    [Symbol.dispose]: () => {
      a[Symbol.dispose]();
      b[Symbol.dispose]();
    },
  };
  try {
    await new NetworkPlan()
      .loopback(a)
      .loopback(b)
      .veth(
        { netns: a, name: "eth0", addresses: [`${A.v4}/24`, `${A.v6}/64`] },
        { netns: b, name: "eth0", addresses: [`${B.v4}/24`, `${B.v6}/64`] },
      )
      .apply();
    return pods;
  } catch (error) {
    pods[Symbol.dispose]();
    throw error;
  }
}
