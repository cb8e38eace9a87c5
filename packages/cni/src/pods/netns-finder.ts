// SPDX-License-Identifier: Apache-2.0
import { basename, join } from "node:path";
import { isMeshError, messageOf, type Logger } from "@ambientmesh/core";
import { hostNetns, linuxErrors, openNetns, sameNetns, type Netns, type NetnsRef } from "@ambientmesh/linux";
import { cniErrors } from "../errors.ts";
import { holdsAnyAddress } from "./netns-addresses.ts";
import type { NetnsRecords } from "./netns-records.ts";
import type { ProcessScan } from "./process-scan.ts";

/** The pod whose namespace is looked for. */
export interface NetnsQuery {
  readonly uid: string;
  /** The uid in the names of its control groups: another one for static pods. */
  readonly groupUid: string;
  /** "namespace/name", for messages. */
  readonly pod: string;
  /** One of these has to be configured in the namespace. */
  readonly addresses: readonly string[];
}

/** An open namespace that is the pod's, and where it was seen. */
export interface FoundNetns {
  /** Belongs to the caller. */
  readonly netns: Netns;
  readonly path: string;
}

export interface NetnsFinderDeps {
  readonly records: NetnsRecords;
  readonly processes: ProcessScan;
  /** The uid of another pod that is served in the namespace, if there is one. */
  readonly ownerOf: (netns: NetnsRef) => string | undefined;
  readonly logger: Logger;
}

export interface NetnsFinderOptions {
  /** The proc file system that shows the node's processes. */
  readonly procDirectory: string;
  /** Where the container runtime's named namespaces are seen by this process. */
  readonly netnsDirectory: string;
}

const PROC_PATH = /^\/proc\/(\d+)\/ns\/net$/;

/**
 * Finds the network namespace of a pod, and takes none for it that is not proved to be the pod's: neither a path, nor a
 * process, nor an address alone says so.
 */
export class NetnsFinder {
  readonly #deps: NetnsFinderDeps;
  readonly #options: NetnsFinderOptions;

  constructor(deps: NetnsFinderDeps, options: NetnsFinderOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * The namespace of a pod that runs: the one the container runtime reported, or that of its oldest process.
   * @returns undefined if there is none (yet), or none that is surely the pod's
   */
  async find(query: NetnsQuery): Promise<FoundNetns | undefined> {
    return this.#recorded(query) ?? (await this.#scanned(query));
  }

  /**
   * Opens the namespace that the container runtime made for a pod.
   * @throws MeshError CNI_NETNS_NOT_FOUND, CNI_NETNS_REFUSED
   */
  open(path: string, query: NetnsQuery): FoundNetns {
    const opened = this.#openPath(path);
    if (!opened) {
      throw cniErrors.create("CNI_NETNS_NOT_FOUND", `pod ${query.pod}: there is no network namespace at ${path}`, {
        details: { uid: query.uid, path },
        retryable: true,
      });
    }
    const problem = this.#problemOf(opened.netns, query);
    if (problem === undefined) return opened;
    opened.netns[Symbol.dispose]();
    throw cniErrors.create("CNI_NETNS_REFUSED", `pod ${query.pod}: the network namespace ${path} ${problem}`, {
      details: { uid: query.uid, path },
      retryable: true,
    });
  }

  #recorded(query: NetnsQuery): FoundNetns | undefined {
    const record = this.#deps.records.get(query.uid);
    const opened = record && this.#openPath(record.path);
    if (!opened) return undefined;
    const isSame = String(opened.netns.dev) === record.dev && String(opened.netns.ino) === record.ino;
    return isSame ? this.#accepted(opened, query) : closed(opened);
  }

  async #scanned(query: NetnsQuery): Promise<FoundNetns | undefined> {
    for (const process of await this.#deps.processes.processesOf(query.groupUid)) {
      const opened = this.#openProcess(process);
      const accepted = opened && this.#accepted(opened, query);
      if (accepted) return accepted;
    }
    return undefined;
  }

  #openProcess(process: Parameters<ProcessScan["netnsOf"]>[0]): FoundNetns | undefined {
    try {
      const netns = this.#deps.processes.netnsOf(process);
      return netns && { netns, path: join(this.#options.procDirectory, String(process.pid), "ns/net") };
    } catch (error) {
      if (!linuxErrors.is(error)) throw error;
      this.#deps.logger.debug("the namespace of a process can't be opened", { ...process, error: error.message });
      return undefined;
    }
  }

  #accepted(opened: FoundNetns, query: NetnsQuery): FoundNetns | undefined {
    const problem = this.#problemOf(opened.netns, query);
    if (problem === undefined) return opened;
    const { pod, uid } = query;
    this.#deps.logger.warn("a network namespace was not taken for a pod's", { pod, uid, path: opened.path, problem });
    return closed(opened);
  }

  /** Why a namespace can't be the pod's; undefined if it is. */
  #problemOf(netns: NetnsRef, { uid, addresses }: NetnsQuery): string | undefined {
    if (this.#isNodes(netns)) return "is the node's own";
    const owner = this.#deps.ownerOf(netns);
    if (owner !== undefined && owner !== uid) return `belongs to the pod with uid ${owner}`;
    if (holdsAnyAddress(netns, addresses)) return undefined;
    return `holds none of the pod's addresses (${addresses.join(", ") || "it has none"})`;
  }

  /** Our own namespace is never a pod's; where the agent does not share the node's, neither is that of the first process. */
  #isNodes(netns: NetnsRef): boolean {
    if (sameNetns(netns, hostNetns())) return true;
    try {
      using first = openNetns(join(this.#options.procDirectory, "1/ns/net"));
      return sameNetns(netns, first);
    } catch (error) {
      // In a user namespace of one's own the first process is somebody else's, and so is its network.
      if (!linuxErrors.is(error)) throw error;
      return false;
    }
  }

  /** Paths are the node's; ours may differ. */
  #openPath(path: string): FoundNetns | undefined {
    const pid = PROC_PATH.exec(path)?.[1];
    const { procDirectory, netnsDirectory } = this.#options;
    const candidates =
      pid === undefined ? [path, join(netnsDirectory, basename(path))] : [join(procDirectory, pid, "ns/net")];
    for (const candidate of candidates) {
      try {
        return { netns: openNetns(candidate), path: candidate };
      } catch (error) {
        if (!isMeshError(error)) throw error;
        this.#deps.logger.debug("no network namespace at a path", { path: candidate, error: messageOf(error) });
      }
    }
    return undefined;
  }
}

function closed({ netns }: FoundNetns): undefined {
  netns[Symbol.dispose]();
}
