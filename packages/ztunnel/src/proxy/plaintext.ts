// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { connectionFacts } from "@ambientmesh/authz";
import { messageOf } from "@ambientmesh/core";
import { originalDestination } from "@ambientmesh/linux";
import { inboundService } from "../decision/inbound.ts";
import { canonicalIp } from "../net/address.ts";
import { refuse, type Refusal } from "../reasons.ts";
import type { Connection } from "../telemetry/connections.ts";
import { partyOfWorkload } from "../telemetry/party.ts";
import { failureOf } from "./failures.ts";
import { clientParty } from "./inbound-peer.ts";
import { describeWorkload, localWorkload, type PodContext } from "./pod-context.ts";
import type { PolicyGuard } from "./policy-guard.ts";
import { relay } from "./relay.ts";

/** Takes connections to a pod that came without a tunnel: clients without identity, judged as such. */
export class PlaintextProxy {
  readonly #pod: PodContext;
  readonly #guard: PolicyGuard;

  constructor(pod: PodContext, guard: PolicyGuard) {
    this.#pod = pod;
    this.#guard = guard;
  }

  /** Serves one accepted connection to its end. Owns the socket. */
  async serve(socket: Socket): Promise<void> {
    const { remoteAddress = "", remotePort = 0 } = socket;
    const { address, port } = originalDestination(socket);
    const connection = this.#pod.connections.begin({
      direction: "inbound",
      src: { ip: canonicalIp(remoteAddress) ?? remoteAddress, port: remotePort },
      wanted: { ip: canonicalIp(address) ?? address, port },
    });
    // Until the copying begins, which has its own view of errors.
    const onEarlyError = (): void =>
      connection.cut({ reason: "CLIENT_GONE", error: "the client reset the connection", endedBy: "client" });
    socket.on("error", onEarlyError);
    try {
      const way = await this.#open(connection);
      if (way.kind === "refuse") {
        connection.finish({ reason: way.reason, error: way.message, endedBy: "proxy" });
      } else {
        socket.off("error", onEarlyError);
        connection.finish(await relay(socket, way.app, connection, connection.signal));
      }
    } catch (error) {
      this.#pod.logger.error("a plaintext connection failed unexpectedly", { error });
      connection.finish({ reason: "INTERNAL", error: messageOf(error), endedBy: "proxy" });
    } finally {
      this.#guard.release(connection);
      socket.destroy();
    }
  }

  /** The connection to the app, or why there is none. */
  async #open(connection: Connection): Promise<{ readonly kind: "open"; readonly app: Socket } | Refusal> {
    const { shared, sockets } = this.#pod;
    const { src, wanted } = connection;
    const overload = this.#pod.connections.overload();
    if (overload) return overload;
    if (shared.decisions.illegalPorts.has(wanted.port)) {
      return refuse("PORT_ILLEGAL", `illegal port: ${wanted.port} belongs to the proxy`);
    }
    const local = await localWorkload(this.#pod, connection.signal);
    if (!local) return refuse("SOURCE_UNKNOWN", describeWorkload(this.#pod));
    connection.reached("source-known");
    await shared.onDemand?.forInbound(shared.config.network, [src.ip], connection.signal);
    connection.describe({
      source: clientParty(shared, src.ip),
      destination: partyOfWorkload(local),
      service: inboundService(shared.decisions, local, { port: wanted.port, forwardedHost: undefined }),
    });
    connection.reached("decided");
    const facts = connectionFacts({ sourceIp: src.ip, destinationIp: wanted.ip, destinationPort: wanted.port });
    const denied = this.#guard.admit(connection, local, facts);
    if (denied) {
      connection.open();
      return denied;
    }
    connection.reached("allowed");
    try {
      const app = await sockets.connectToApp(wanted, src.ip, connection.signal);
      connection.reached("connected");
      return { kind: "open", app };
    } catch (error) {
      return failureOf(error);
    } finally {
      connection.open();
    }
  }
}
