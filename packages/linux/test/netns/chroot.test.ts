// SPDX-License-Identifier: Apache-2.0
// Needs root. Run: npx vitest run --project netns packages/linux/test/netns/chroot.test.ts
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isInChroot, ownMountNamespace, runProgram } from "../../src/index.ts";
import { mayUseNetns } from "./two-pods.ts";

/** A folder "$1" becomes a file system whose mounts are seen by everybody; a plain folder in it is chrooted into. */
const IN_CHROOT = `
set -e
mount -t tmpfs tmpfs "$1" && mount --make-shared "$1"
root=$1/root; shift
mkdir $root; cd $root; mkdir usr etc proc; ln -s usr/bin usr/sbin usr/lib usr/lib64 .
mount --bind /usr usr; mount -t proc proc proc
echo before > etc/file; echo private > etc/other
chroot . cat /proc/self/mountinfo
echo "--"
chroot . "$@"
echo "outside: $(cat etc/file)"`;

const PROGRAM = 'mount --bind /etc/other /etc/file; echo "inside: $(cat /etc/file) $PWD $1"';

it.runIf(mayUseNetns())("mounts in a chroot are seen by the program only", async () => {
  const folder = mkdtempSync(join(tmpdir(), "linux-chroot-"));
  try {
    const program = [...ownMountNamespace(true), "sh", "-c", PROGRAM, "sh", "an argument"];
    const script = [...ownMountNamespace(), "sh", "-c", IN_CHROOT, "sh", folder];
    const { stdout, stderr } = await runProgram([...script, ...program] as [string, ...string[]]);
    const [mountInfo = "", output] = stdout.split("--\n");
    expect(stderr).toBe("");
    expect(output).toBe("inside: private / an argument\noutside: before\n");
    expect(isInChroot(mountInfo)).toBe(true);
  } finally {
    rmdirSync(folder);
  }
});

it.each([
  ["25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n", false],
  ["30 25 0:27 / /proc rw - proc proc rw\n31 25 0:28 / /sys rw - sysfs sysfs rw\n", true],
])("a root that is no mount is a chroot's: %j", (mountInfo, expected) => {
  expect(isInChroot(mountInfo)).toBe(expected);
});
