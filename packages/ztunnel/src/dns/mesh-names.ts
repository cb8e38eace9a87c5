// SPDX-License-Identifier: Apache-2.0
import type { Clock, Logger } from "@ambientmesh/core";
import { WORKLOAD_WAIT_MS } from "../proxy/shared-deps.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { LocalWorkloadName } from "../state/workload-store.ts";
import type { CountedQuestion, DnsMetrics, Transport } from "./dns-metrics.ts";
import { lookUp, type LookupContext } from "./lookup.ts";
import { podSearchDomains } from "./names.ts";
import type { AddressQuestion, Query } from "./query.ts";
import { encodeAnswer, encodeFailure, udpLimit } from "./response.ts";
import type { NameServerList } from "./resolv-conf.ts";
import { MAX_MESSAGE_BYTES, TYPE } from "./wire.ts";

/** What the DNS proxies of all pods share. */
export interface DnsShared {
  readonly state: MeshState;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DnsMetrics;
  readonly names: Omit<LookupContext, "services">;
  /** Name servers for what the mesh does not know. */
  readonly nameServers: NameServerList;
  /** "resolv-conf": the search list of this proxy's own namespace, which is the workload's in dedicated mode. */
  readonly searchDomains: "pod" | "resolv-conf";
}

/** Answers one pod's questions out of what the control plane has said. */
export class MeshNames {
  readonly #shared: DnsShared;
  readonly #workload: LocalWorkloadName;
  readonly #logger: Logger;

  constructor(shared: DnsShared, workload: LocalWorkloadName) {
    this.#shared = shared;
    this.#workload = workload;
    this.#logger = shared.logger.child("dns", {
      "src.workload": workload.name,
      "src.namespace": workload.namespace,
    });
  }

  /** The question as metrics name it. */
  counted(query: Exclude<Query, { kind: "none" }>, transport: Transport): CountedQuestion {
    const type = query.kind === "other" ? query.type : query.family === 4 ? TYPE.A : TYPE.AAAA;
    return { transport, type, source: this.#shared.state.workloads.local(this.#workload) };
  }

  /** The whole answer; undefined: a name server has to be asked. */
  async answer(
    message: Uint8Array,
    question: AddressQuestion,
    transport: Transport,
    signal: AbortSignal,
  ): Promise<Buffer | undefined> {
    const { state, names } = this.#shared;
    const client = await state.waitForLocal(this.#workload, WORKLOAD_WAIT_MS, signal);
    if (!client) {
      this.#logger.debug("dns", { query: question.name, result: "unknown source" });
      return encodeFailure(message, question);
    }
    const found = lookUp(
      { ...names, services: state.services },
      { client, name: question.name, family: question.family, searchDomains: await this.#searchDomains() },
    );
    this.#logger.debug("dns", {
      query: question.name,
      domain: found?.entry.service.hostname,
      result: found ? "answered" : "forwarded",
      endpoints: found?.addresses.length,
    });
    if (!found) return undefined;
    return encodeAnswer(message, question, found, transport === "udp" ? udpLimit(question) : MAX_MESSAGE_BYTES);
  }

  async #searchDomains(): Promise<readonly string[]> {
    const { searchDomains, names, nameServers } = this.#shared;
    if (searchDomains === "pod") return podSearchDomains(this.#workload.namespace, names.domain);
    return (await nameServers.current()).searchDomains;
  }
}
