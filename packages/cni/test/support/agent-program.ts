// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openTcpListener, spawnIn, type SpawnInOptions } from "@ambientmesh/linux";
import { NODE, type AgentBed } from "./agent-bed.ts";
import { INSTALL_CNI } from "./call-agent.ts";
import { eventually } from "./eventually.ts";

/** Makes the bed's API server reachable on its node; the environment that a real `install-cni` needs there. */
export async function agentEnvironment(bed: AgentBed): Promise<Readonly<Record<string, string>>> {
  const port = 6443;
  const { netns } = bed.net.node(NODE);
  await bed.kube.listen({ fd: openTcpListener({ netns, address: "127.0.0.1", port }) });
  const kubeconfig = join(bed.proc.directory, "kubeconfig");
  const clusters = [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }];
  const users = [{ name: "u", user: { token: bed.kube.adminToken } }];
  const contexts = [{ name: "x", context: { cluster: "c", user: "u" } }];
  writeFileSync(kubeconfig, JSON.stringify({ clusters, users, contexts, "current-context": "x" }));
  return {
    NODE_NAME: NODE,
    KUBECONFIG: kubeconfig,
    AMBIENT_DNS_CAPTURE: "false",
    CNI_AGENT_RUN_DIR: bed.runDirectory,
    ZTUNNEL_UDS_ADDRESS: bed.zdsSocket,
    HOST_PROC: bed.proc.directory,
    INSTALL_CNI_PLUGIN: "false",
    LOG_FORMAT: "json",
  };
}

/** A running `install-cni`; it is killed with this. */
export class AgentProgram implements AsyncDisposable {
  readonly ended: Promise<unknown[]>;
  log = "";
  readonly #child: ChildProcess;

  constructor(options: SpawnInOptions, prefix: readonly string[] = []) {
    const [file = "", ...args] = [...prefix, ...INSTALL_CNI];
    this.#child = spawnIn([file, ...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
    this.ended = once(this.#child, "exit");
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.log += chunk.toString()));
    }
  }

  /** Proxies can connect. */
  async whenReady(): Promise<void> {
    await eventually("readiness", () => this.log.includes("pods can join the mesh"));
  }

  stop(): void {
    this.#child.kill("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}
