// SPDX-License-Identifier: Apache-2.0

/*
 * How kubelets name the control group of a pod: "pod<uid>", with dashes, or with underscores and ".slice" where systemd
 * keeps the groups. The uid of a static pod is a plain hash. Names may have a prefix ("kubepods-burstable-pod<uid>.slice").
 */
const POD_GROUP =
  /[/-]pod([0-9a-f]{8}([-_])[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?=[/:]|$)/;

/**
 * The uid of the pod that a process belongs to, told by its `/proc/PID/cgroup`; undefined for processes of no pod.
 * The outermost group counts: who may make groups inside a pod's can't pass for another pod. Hierarchies that disagree
 * are trusted in nothing.
 */
export function podUidOfCgroup(text: string): string | undefined {
  const uids = new Set<string>();
  for (const line of text.split("\n")) {
    const path = line.split(":").slice(2).join(":");
    const uid = POD_GROUP.exec(path)?.[1];
    if (uid !== undefined) uids.add(uid.replaceAll("_", "-"));
  }
  const [uid] = uids;
  return uids.size === 1 ? uid : undefined;
}
