// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { connectionFacts } from "@ambientmesh/authz";
import { messageOf, type DrainWatch, type MeshError } from "@ambientmesh/core";
import {
  formatBaggage,
  HboneServer,
  parseForwarded,
  parseTraceParent,
  type ConnectRequest,
  type SecureLimits,
  type SecureOutcome,
} from "@ambientmesh/hbone";
import { acceptTls, spiffeIdParts } from "@ambientmesh/spiffe";
import type { Duplex } from "node:stream";
import { inboundService, planInbound, statusOf, type InboundPlan } from "../decision/inbound.ts";
import { canonicalIp, parseAuthority, type SocketAddress } from "../net/address.ts";
import { refuse, type Refusal } from "../reasons.ts";
import type { Workload } from "../state/model.ts";
import type { Connection } from "../telemetry/connections.ts";
import { baggageOf, partyOfWorkload } from "../telemetry/party.ts";
import { failureOf, NO_IDENTITY, NO_WORKLOAD } from "./failures.ts";
import { clientParty } from "./inbound-peer.ts";
import { describeWorkload, localWorkload, type PodContext } from "./pod-context.ts";
import type { PolicyGuard } from "./policy-guard.ts";
import { encodeProxyHeader } from "./proxy-header.ts";
import { relayTunnel } from "./relay-tunnel.ts";
import { tunnelLimits } from "./tunnel-pool.ts";

/** Both ends of a TCP connection that carries tunnels. */
export interface TunnelEnds {
  readonly src: SocketAddress;
  readonly dst: SocketAddress;
}

type Request = ConnectRequest<TunnelEnds>;

/** Takes tunnels for a pod: mutual TLS, then checks, policy and a connection to the app for each CONNECT. */
export class InboundProxy {
  readonly #pod: PodContext;
  readonly #guard: PolicyGuard;
  readonly server: HboneServer<TunnelEnds>;

  constructor(pod: PodContext, guard: PolicyGuard, drain: DrainWatch) {
    this.#pod = pod;
    this.#guard = guard;
    const { clock, buffers, config } = pod.shared;
    this.server = new HboneServer(
      {
        secure: (raw, _ends, limits) => this.#secure(raw, limits),
        onConnect: (request) => this.#serve(request),
        onFailed: (error, ends) => this.#onFailed(error, ends),
        drain,
        clock,
        buffers,
        logger: pod.logger,
      },
      tunnelLimits(config),
    );
  }

  /** Takes over an accepted socket. */
  accept(socket: Socket): void {
    const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = socket;
    this.server.handle(socket, {
      src: { ip: canonicalIp(remoteAddress) ?? remoteAddress, port: remotePort },
      dst: { ip: canonicalIp(localAddress) ?? localAddress, port: localPort },
    });
  }

  /** Presents the certificate of the pod's workload; whoever is not of its trust domain is turned away. */
  async #secure(raw: Duplex, limits: SecureLimits): Promise<SecureOutcome> {
    const { certificates, tlsPolicy, revocation, clock } = this.#pod.shared;
    const local = await localWorkload(this.#pod, limits.signal);
    if (!local) return { kind: "refused", reason: NO_WORKLOAD, message: describeWorkload(this.#pod) };
    let svid;
    try {
      svid = await certificates.get(local.identity, { signal: limits.signal });
    } catch (error) {
      return { kind: "refused", reason: NO_IDENTITY, message: messageOf(error) };
    }
    return acceptTls(raw, svid, { ...limits, policy: tlsPolicy, revocation, clock });
  }

  /** A connection that never became one with tunnels: it is in the log, and counted as refused. */
  #onFailed(error: MeshError, { src, dst }: TunnelEnds): void {
    const { reason, message } = failureOf(error);
    const connection = this.#pod.connections.begin({ direction: "inbound", src, wanted: dst });
    connection.finish({ reason, error: message });
  }

  async #serve(request: Request): Promise<void> {
    const { context, info, headers } = request;
    const connection = this.#pod.connections.begin({ direction: "inbound", src: context.src, wanted: context.dst });
    connection.describe({
      hboneAuthority: request.authority,
      protocol: "HBONE",
      isMutualTls: true,
      sourceIdentity: info.peer.id,
      source: clientParty(this.#pod.shared, context.src.ip, headers),
      forwardedHost: parseForwarded(headers["forwarded"]).host,
      traceId: parseTraceParent(headers["traceparent"])?.traceId,
    });
    const onWithdrawn = (): void =>
      connection.cut({ reason: "CLIENT_GONE", error: "the client withdrew its request", endedBy: "client" });
    request.signal.addEventListener("abort", onWithdrawn, { once: true });
    try {
      const refusal = await this.#answer(request, connection);
      if (!refusal) return;
      if (!request.isAnswered) request.refuse(statusOf(refusal.reason));
      connection.finish({ reason: refusal.reason, error: refusal.message, endedBy: "proxy" });
    } catch (error) {
      this.#pod.logger.error("an inbound connection failed unexpectedly", { error });
      connection.finish({ reason: "INTERNAL", error: messageOf(error), endedBy: "proxy" });
    } finally {
      this.#guard.release(connection);
    }
  }

  /** Serves the request to its end, or says why not. */
  async #answer(request: Request, connection: Connection): Promise<Refusal | undefined> {
    const { method, authority, context } = request;
    const overload = this.#pod.connections.overload();
    if (overload) return overload;
    const local = await localWorkload(this.#pod, connection.signal);
    if (!local) return refuse("SOURCE_UNKNOWN", describeWorkload(this.#pod));
    connection.reached("source-known");
    connection.describe({ destination: partyOfWorkload(local), destinationIdentity: local.identity });
    await this.#fetch(request, connection);
    const plan = planInbound(this.#pod.shared.decisions, { local, podIp: context.dst.ip, method, authority });
    if (plan.kind === "refuse") return plan;
    connection.reached("decided");
    const meant = inboundService(this.#pod.shared.decisions, local, {
      port: plan.target.port,
      forwardedHost: connection.details.forwardedHost,
    });
    connection.describe({ service: plan.service ?? meant });
    const denied = this.#guard.admit(
      connection,
      local,
      connectionFacts({
        sourceIp: context.src.ip,
        destinationIp: plan.target.ip,
        destinationPort: plan.target.port,
        identity: spiffeIdParts(request.info.peer.id),
      }),
    );
    if (denied) {
      connection.open();
      return denied;
    }
    connection.reached("allowed");
    return this.#forward(request, connection, { local, plan });
  }

  /** What is needed to judge and name the request, where the control plane does not send everything. */
  async #fetch({ authority, context, headers }: Request, connection: Connection): Promise<void> {
    const { onDemand, config } = this.#pod.shared;
    if (!onDemand) return;
    const asked = parseAuthority(authority);
    const target = asked?.kind === "address" && asked.address.ip !== context.dst.ip ? [asked.address.ip] : [];
    await onDemand.forInbound(config.network, [context.src.ip, ...target], connection.signal);
    connection.describe({ source: clientParty(this.#pod.shared, context.src.ip, headers) });
  }

  async #forward(
    request: Request,
    connection: Connection,
    { local, plan }: { readonly local: Workload; readonly plan: Exclude<InboundPlan, Refusal> },
  ): Promise<Refusal | undefined> {
    const { shared } = this.#pod;
    let app: Socket;
    try {
      app = await this.#connectToApp(request, plan, connection.signal);
    } catch (error) {
      connection.open();
      return failureOf(error);
    }
    connection.reached("connected");
    connection.open();
    const tunnel = connection.end
      ? undefined
      : request.accept(shared.config.isBaggageEnabled ? { baggage: formatBaggage(baggageOf(local)) } : {});
    if (!tunnel) {
      app.destroy();
      return refuse("CLIENT_GONE", "the client left before its tunnel was open");
    }
    const way = { socket: app, tunnel, appSide: "server", buffers: shared.buffers } as const;
    connection.finish(await relayTunnel(way, connection, connection.signal));
    return undefined;
  }

  async #connectToApp(
    { context: { src }, info }: Request,
    { target, toProxy }: Exclude<InboundPlan, Refusal>,
    signal: AbortSignal,
  ): Promise<Socket> {
    const { sockets } = this.#pod;
    const app = toProxy?.loopback
      ? await sockets.connect(toProxy.loopback, signal)
      : await sockets.connectToApp(target, src.ip, signal);
    // Small and the first: it is in the kernel when the call returns, or the socket is broken.
    if (toProxy) app.write(encodeProxyHeader({ ...toProxy, source: src, identity: info.peer.id }));
    return app;
  }
}
