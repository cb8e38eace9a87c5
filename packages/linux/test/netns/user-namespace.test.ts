// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { obstacleToOtherUsers, obstacleToUserNamespaces } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { mayUseNetns } from "./two-pods.ts";

/*
 * The same as "root" of a user namespace of its own, which an ordinary user may make: namespaces, links, rules, marked,
 * transparent and spoofing sockets, redirection, programs with private files.
 */
const script = new URL("./user-namespace-script.ts", import.meta.url).pathname;

describe.runIf(mayUseNetns() && obstacleToUserNamespaces() === undefined)("inside a user namespace", () => {
  const users: [string, readonly string[]][] = [["root", []]];
  if (obstacleToOtherUsers(import.meta.dirname) === undefined) {
    users.push(["an ordinary user", ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]]);
  }
  it.each(users)("of %s everything works", (_, prefix) => {
    const command = [...prefix, "unshare", "-Urnm", process.execPath, "--conditions=@ambientmesh/source", script];
    const result = spawnSync(command[0] as string, command.slice(1), { encoding: "utf8", cwd: "/" });
    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toEqual({
      addresses: ["10.9.0.2", "fd00:9::2"],
      sources: ["192.0.2.55", "2001:db8::55"],
      redirected: { address: "10.9.0.2", port: 4711, via: "conntrack" },
      iptables: true,
      resolver: "nameserver 192.0.2.53",
      sysctl: "1",
      named: true,
    });
  });
});
