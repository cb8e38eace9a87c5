// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { NETNS_DIRECTORY } from "@ambientmesh/linux";
import { cliErrors } from "../../errors.ts";

/**
 * Whose namespaces a mesh's are: those of the machine, named under /run/netns and seen by `ip netns`, or those of a user and
 * mount namespace that exist only while the mesh runs.
 */
export type Seclusion = "machine" | "private";

/** Socket paths have 107 bytes; a long name would break them. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/;

/** Where a mesh keeps its files. Pure: nothing is made here. */
export class Place {
  readonly mesh: string;
  /** Holds the directories of all meshes. */
  readonly root: string;
  readonly seclusion: Seclusion;

  /** @throws MeshError CLI_ARGUMENT_INVALID for a name that is not up to 20 small letters, digits and dashes */
  constructor(root: string, mesh: string, seclusion: Seclusion) {
    if (!NAME.test(mesh)) {
      throw cliErrors.create(
        "CLI_ARGUMENT_INVALID",
        `"${mesh}" is no name for a mesh; use up to 20 small letters, digits and dashes`,
      );
    }
    this.root = root;
    this.mesh = mesh;
    this.seclusion = seclusion;
  }

  get directory(): string {
    return join(this.root, this.mesh);
  }

  get record(): string {
    return join(this.directory, "state.json");
  }

  get kubeconfig(): string {
    return join(this.directory, "kubeconfig");
  }

  get scratchFolder(): string {
    return join(this.directory, "scratch");
  }

  get logs(): string {
    return join(this.directory, "logs");
  }

  get netnsDirectory(): string {
    return this.seclusion === "machine" ? NETNS_DIRECTORY : join(this.directory, "netns");
  }

  node(name: string): string {
    return join(this.directory, name);
  }

  pod(node: string, uid: string): string {
    return join(this.node(node), "pods", uid);
  }

  /** Standard output and error of a container. */
  log(namespace: string, pod: string, container: string): string {
    return join(this.logs, `${namespace}_${pod}_${container}.log`);
  }

  /** Name of the network namespace of a node, or of the network between the nodes ("fabric"). */
  netnsName(node: string): string {
    return `ambient-${this.mesh}-${node}`;
  }
}

/** Name of a pod's network namespace, made like containerd's. */
export function podNetnsName(uid: string): string {
  return `cni-${uid}`;
}
