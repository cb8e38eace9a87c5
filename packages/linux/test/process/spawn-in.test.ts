// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { ownMountNamespace } from "../../src/index.ts";
import { prepareCommand } from "../../src/process/spawn-in.ts";

describe("prepareCommand", () => {
  it("is the program itself when nothing has to be prepared", () => {
    expect(prepareCommand(["true", "-x"], { parentDeathSignal: "none" }, 7)).toEqual(["true", "-x"]);
  });

  it("keeps values out of the script and ends as the program", () => {
    const evil = '"; rm -rf $HOME #';
    const command = prepareCommand(
      ["server", "--name", evil],
      { cgroups: [evil], mounts: [{ source: evil, target: "/etc/resolv.conf" }], parentDeathSignal: "SIGTERM" },
      7,
      () => ownMountNamespace(false),
    );
    expect(command).toMatchInlineSnapshot(`
      [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        "[ "$PPID" = "$1" ] || exit 125
      shift 1
      echo 0 > "$1/cgroup.procs" || exit 125
      shift 1
      mount --bind -- "$1" "$2" || exit 125
      shift 2
      exec "$@"",
        "sh",
        "7",
        ""; rm -rf $HOME #",
        ""; rm -rf $HOME #",
        "/etc/resolv.conf",
        "server",
        "--name",
        ""; rm -rf $HOME #",
      ]
    `);
  });
});
