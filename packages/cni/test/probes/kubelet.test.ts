// SPDX-License-Identifier: Apache-2.0
import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { processFacts } from "../../src/probes/kubelet.ts";

const STATUS = "Name:\tkubelet\nUmask:\t0022\nState:\tS\nUid:\t10\t11\t12\t13\nGid:\t0\t0\t0\t0\n";

test.each([
  ["0::/system.slice/kubelet.service\n", "system.slice/kubelet.service", false],
  ["12:cpu:/a\n0::/runtime/kubelet\n", "runtime/kubelet", false],
  ["0::/../../../system.slice/kubelet.service\n", "system.slice/kubelet.service", false],
  ["0::/kubepods.slice/kubepods-pod1234.slice/x\n", "kubepods.slice/kubepods-pod1234.slice/x", true],
  ["0::/x/pod12345678-1111-2222-3333-444455556666/y\n", "x/pod12345678-1111-2222-3333-444455556666/y", true],
  ["0::/\n", undefined, false],
  ["11:memory:/kubelet\n", undefined, false],
  ['0::/a" accept #\n', undefined, false],
  ["0::/a b\n", undefined, false],
])("the control groups %j", (cgroups, groupPath, isOfPod) => {
  expect(processFacts(STATUS, "/usr/bin/kubelet\0--config\0x", cgroups)).toEqual({
    name: "kubelet",
    program: "kubelet",
    uid: 11,
    groupPath,
    isOfPod,
  });
});

test("whatever a proc file system says, a path is nothing but a path", () => {
  assert(
    property(string(), string(), string(), (status, commandLine, path) => {
      const { groupPath = "ok" } = processFacts(status, commandLine, `0::/${path}\n`);
      expect(groupPath).toMatch(/^[\w.@:/\\-]+$/);
    }),
  );
});
