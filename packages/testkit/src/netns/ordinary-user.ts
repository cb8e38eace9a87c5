// SPDX-License-Identifier: Apache-2.0
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { isInChroot } from "@ambientmesh/linux";

/** Read and enter, for everybody. */
const OTHERS_MAY_READ = 0o005;

/**
 * What keeps a test from running code of this checkout as another user; undefined if nothing does.
 * @param folder a folder of the checkout, absolute
 */
export function obstacleToOtherUsers(folder: string): string | undefined {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & OTHERS_MAY_READ) !== OTHERS_MAY_READ) return `other users may not read ${path}`;
    if (path === dirname(path)) return undefined;
  }
}

/** What keeps this machine from giving user namespaces to a test, whatever its user; undefined if nothing is known to. */
export function obstacleToUserNamespaces(): string | undefined {
  return isInChroot() ? "the kernel gives no user namespaces to processes in a chroot" : undefined;
}
