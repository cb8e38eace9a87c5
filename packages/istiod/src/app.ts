// SPDX-License-Identifier: Apache-2.0
import { hostname } from "node:os";
import type { AddressInfo } from "node:net";
import { AUTHORIZATION_TYPE_URL } from "@ambientmesh/api/security";
import { ADDRESS_TYPE_URL } from "@ambientmesh/api/workload";
import {
  TaskGroup,
  messageOf,
  toMeshError,
  type Clock,
  type Logger,
  type MeshError,
  type Service,
} from "@ambientmesh/core";
import { electLeader, type KubeClient } from "@ambientmesh/kube";
import { Readiness, type AdminServer, type MetricsRegistry } from "@ambientmesh/telemetry";
import { GrpcListener, ResourceCache, serveXds, type ServerTlsSource, type XdsServer } from "@ambientmesh/xds";
import { bindable, createAdminServers } from "./admin/admin-servers.ts";
import { DebugAccess } from "./admin/debug-access.ts";
import { debugPages } from "./admin/debug-pages.ts";
import { CallAuthenticator } from "./authentication/call-authenticator.ts";
import { TokenAuthenticator } from "./authentication/token-authenticator.ts";
import type { AuthorityKeeper } from "./certificates/authority-keeper.ts";
import { CertificateIssuer } from "./certificates/certificate-issuer.ts";
import { certificateMetrics } from "./certificates/certificate-metrics.ts";
import { serveCertificates } from "./certificates/certificate-service.ts";
import {
  openAuthority,
  openServingCertificate,
  type CertificatesDeps,
} from "./certificates/control-plane-certificates.ts";
import { NodeAuthorizer } from "./certificates/node-authorization.ts";
import type { IstiodConfig } from "./config/config.ts";
import type { ListenAddress } from "./config/listen-address.ts";
import {
  authenticateNobody,
  authenticateWith,
  createDiscoveryServer,
  type ClientIdentity,
} from "./discovery/discovery-server.ts";
import { feedStore } from "./discovery/resource-feed.ts";
import { SettleLoop } from "./discovery/settle-loop.ts";
import { LiveMeshConfig } from "./mesh-config/live-mesh-config.ts";
import { MeshConfigFollower } from "./mesh-config/mesh-config-follower.ts";
import { istiodMetrics, type IstiodMetrics } from "./metrics.ts";
import { createMeshModel, type MeshModel } from "./model/mesh-model.ts";
import { createKubernetesSources } from "./sources/kubernetes-sources.ts";
import { readVersion } from "./version.ts";
import { WebhookServer } from "./webhook/webhook-server.ts";
import { leaderTask } from "./writers/leader-task.ts";

export interface IstiodDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly client: KubeClient;
  /** Something failed that no object, client or server can cause: the process should end. */
  readonly onCrash: (error: MeshError) => void;
}

/** Where istiod listens; absent where it was told not to. */
export interface IstiodAddresses {
  readonly http: { readonly host: string; readonly port: number } | undefined;
  readonly monitoring: { readonly host: string; readonly port: number } | undefined;
  readonly grpc: AddressInfo | undefined;
  readonly secureGrpc: AddressInfo | undefined;
  readonly webhook: AddressInfo | undefined;
}

/** Lease of the replica that writes to the API. */
const LEADER_LEASE = "istio-leader";
/** Clients that are sent away at shutdown come to the other replicas one after another, this far apart at least, in ms. */
const DRAIN_GAP_MS = 10;

/** The control plane: `start` resolves when everything is synced and all ports are open. */
export class Istiod implements Service {
  readonly #deps: IstiodDeps;
  readonly #config: IstiodConfig;
  readonly #mesh: LiveMeshConfig;
  readonly #stack = new AsyncDisposableStack();
  readonly #tasks: TaskGroup;
  readonly #metrics: IstiodMetrics;
  readonly #model: MeshModel;
  readonly #loop: SettleLoop;
  readonly #resources: ResourceCache;
  readonly #discovery: XdsServer<ClientIdentity>;
  readonly #calls: CallAuthenticator;
  readonly #readiness = new Readiness();
  #admin: { readonly http: AdminServer | undefined; readonly monitoring: AdminServer | undefined } | undefined;
  #grpc: GrpcListener | undefined;
  #secureGrpc: GrpcListener | undefined;
  #webhook: WebhookServer | undefined;

  constructor(deps: IstiodDeps, config: IstiodConfig) {
    this.#deps = deps;
    const { clock, logger, metrics, client, onCrash } = deps;
    const mesh = new LiveMeshConfig(config.meshConfig);
    this.#mesh = mesh;
    this.#config = { ...config, meshConfig: mesh };
    this.#tasks = new TaskGroup({ onCrash: (_task, error) => onCrash(error) });
    this.#metrics = istiodMetrics(metrics, clock, readVersion());
    this.#model = createMeshModel(modelOptions(this.#config), ({ collection, key, error }) => {
      this.#metrics.countDerivationFailure(collection);
      logger.error("object can't be understood", { collection, key, reason: messageOf(error) });
    });
    this.#resources = new ResourceCache(
      { clock, metrics },
      { quietMs: config.push.debounceMs, maxMs: config.push.debounceMaxMs },
    );
    feedStore(this.#resources.store(ADDRESS_TYPE_URL), this.#model.addresses);
    feedStore(this.#resources.store(AUTHORIZATION_TYPE_URL), this.#model.authorizations);
    this.#loop = new SettleLoop({
      clock,
      graph: this.#model.graph,
      hold: () => this.#resources.hold(),
      duration: this.#metrics.settleTime,
      onCrash: (error) => onCrash(toMeshError(error)),
    });
    this.#discovery = createDiscoveryServer(
      { clock, logger: logger.child("xds"), metrics, resources: this.#resources },
      { maxRequestsPerSecond: config.push.maxRequestsPerSecond },
    );
    const tokens = new TokenAuthenticator(
      { clock, reviewToken: (token, audiences) => client.reviewToken({ token, audiences }) },
      { audiences: config.authentication.tokenAudiences, mesh },
    );
    this.#calls = new CallAuthenticator(tokens, { clusterId: config.clusterId, mesh });
  }

  get addresses(): IstiodAddresses {
    return {
      http: this.#admin?.http?.addresses[0],
      monitoring: this.#admin?.monitoring?.addresses[0],
      grpc: this.#grpc?.address,
      secureGrpc: this.#secureGrpc?.address,
      webhook: this.#webhook?.address,
    };
  }

  async start(signal?: AbortSignal): Promise<void> {
    for (const warning of this.#config.warnings) this.#deps.logger.warn("setting", { warning });
    this.#stack.use(
      this.#deps.metrics.onScrape(() => this.#metrics.refresh({ services: this.#model.sources.services.size })),
    );
    this.#stack.defer(() => this.#resources[Symbol.dispose]());
    this.#stack.defer(() => this.#loop[Symbol.dispose]());
    this.#stack.use(this.#tasks);
    try {
      await this.#start(signal);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Never disposed: istiod does not become ready again.
    this.#readiness.begin("shutdown");
    await this.#stack.disposeAsync();
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    using _starting = this.#readiness.begin("start");
    await this.#openAdmin(signal);
    await this.#followMeshConfig(signal);
    const deps: CertificatesDeps = { ...this.#deps, tasks: this.#tasks, stack: this.#stack };
    const [keeper] = await Promise.all([openAuthority(deps, this.#config, signal), this.#syncSources(signal)]);
    this.#discovery.markReady();
    const tls = await openServingCertificate(deps, this.#config, keeper);
    const { grpcAddress, secureGrpcAddress } = this.#config;
    this.#secureGrpc = secureGrpcAddress && this.#createListener(secureGrpcAddress, tls);
    this.#grpc = grpcAddress && this.#createListener(grpcAddress);
    if (this.#secureGrpc) {
      serveXds(this.#discovery, this.#secureGrpc, authenticateWith(this.#calls));
      if (this.#config.certificates.isServed) serveCertificates(this.#secureGrpc, this.#createIssuer(keeper));
    }
    if (this.#grpc) serveXds(this.#discovery, this.#grpc, authenticateNobody);
    await this.#openListeners(signal);
    await this.#openWebhook(tls);
    this.#startWriters(keeper);
    this.#deps.logger.info("istiod is ready", { ...this.addresses });
  }

  async #openAdmin(signal: AbortSignal | undefined): Promise<void> {
    const { clock, logger, metrics } = this.#deps;
    const { namespace, authentication, httpAddress, monitoringAddress } = this.#config;
    const access = new DebugAccess(this.#calls, {
      isRestricted: authentication.isDebugAuthenticated,
      namespaces: [namespace, ...authentication.debugNamespaces],
    });
    const pages = debugPages({
      clients: () => this.#discovery.clients(),
      addresses: this.#resources.store(ADDRESS_TYPE_URL),
      authorizations: this.#resources.store(AUTHORIZATION_TYPE_URL),
      policies: this.#model.policies,
      meshConfig: () => this.#mesh.current,
      collectionSizes: () => this.#model.graph.sizes(),
    });
    this.#admin = createAdminServers(
      {
        clock,
        logger: logger.child("admin"),
        metrics,
        readiness: this.#readiness,
        version: readVersion(),
        debugRoutes: pages.map((page) => access.route(page)),
      },
      { http: httpAddress, monitoring: monitoringAddress },
    );
    for (const server of [this.#admin.http, this.#admin.monitoring]) {
      if (server) this.#stack.use(server);
      await server?.start(signal);
    }
  }

  async #followMeshConfig(signal: AbortSignal | undefined): Promise<void> {
    using _pending = this.#readiness.begin("mesh config");
    const { isMeshConfigFile, meshConfigFile, namespace, revision } = this.#config;
    const onChange = (): void => {
      this.#model.graph.invalidate();
      this.#loop.touch();
    };
    const follower = this.#stack.use(
      new MeshConfigFollower(
        { ...this.#deps, mesh: this.#mesh, onChange },
        { file: isMeshConfigFile ? meshConfigFile : undefined, namespace, revision },
      ),
    );
    await follower.start(signal);
  }

  /** Until every kind was read once and all of it is in the resources. */
  async #syncSources(signal: AbortSignal | undefined): Promise<void> {
    const { client, clock, logger, metrics } = this.#deps;
    const sources = createKubernetesSources({
      client,
      clock,
      logger,
      metrics,
      readiness: this.#readiness,
      sources: this.#model.sources,
      onChange: () => this.#loop.touch(),
    });
    this.#stack.use(sources);
    await sources.start(signal);
    this.#loop.touch();
    await this.#loop.whenSettled();
    this.#resources.flush();
  }

  #createListener(address: ListenAddress, tls?: ServerTlsSource): GrpcListener {
    const { clock, logger } = this.#deps;
    const { grpc, tls: tlsConfig, maxConnectionAgeMs, shutdownMs } = this.#config;
    return new GrpcListener(
      { clock, log: logger.child("grpc") },
      {
        ...bindable(address),
        ...(tls && { tls, minTlsVersion: tlsConfig.minVersion }),
        ...(maxConnectionAgeMs > 0 && { maxConnectionAgeMs }),
        keepaliveTimeMs: grpc.keepaliveIntervalMs,
        keepaliveTimeoutMs: grpc.keepaliveTimeoutMs,
        maxConcurrentStreams: grpc.maxStreams,
        maxReceiveBytes: grpc.maxReceiveBytes,
        drainMs: shutdownMs,
      },
    );
  }

  async #openListeners(signal: AbortSignal | undefined): Promise<void> {
    const listeners = [this.#secureGrpc, this.#grpc].filter((listener) => listener !== undefined);
    this.#stack.defer(async () => {
      const spreadMs = Math.min(this.#config.shutdownMs / 2, this.#discovery.clientCount * DRAIN_GAP_MS);
      const closed = listeners.map((listener) => listener[Symbol.asyncDispose]());
      await this.#discovery.drain({ spreadMs });
      await Promise.all(closed);
      await this.#discovery[Symbol.asyncDispose]();
    });
    for (const listener of listeners) await listener.start(signal);
  }

  async #openWebhook(tls: ServerTlsSource): Promise<void> {
    const { logger, metrics } = this.#deps;
    const { webhookAddress, unenforceablePolicies, meshConfig, tls: tlsConfig } = this.#config;
    if (!webhookAddress) return;
    this.#webhook = this.#stack.use(
      new WebhookServer(
        { logger: logger.child("webhook"), metrics, tls },
        {
          address: bindable(webhookAddress),
          minTlsVersion: tlsConfig.minVersion,
          get rootNamespace() {
            return meshConfig.rootNamespace;
          },
          unenforceable: unenforceablePolicies,
        },
      ),
    );
    await this.#webhook.start();
  }

  #createIssuer(keeper: AuthorityKeeper): CertificateIssuer {
    const { logger, metrics } = this.#deps;
    const { authentication, meshConfig } = this.#config;
    const nodes = new NodeAuthorizer(this.#model.sources.pods, {
      trustedAccounts: authentication.trustedNodeAccounts,
      mesh: meshConfig,
    });
    return new CertificateIssuer({
      logger: logger.child("ca"),
      metrics: certificateMetrics(metrics),
      calls: this.#calls,
      nodes,
      authority: keeper.authority,
    });
  }

  #startWriters(keeper: AuthorityKeeper): void {
    const { client, clock, logger } = this.#deps;
    const { namespace, hasLeaderElection } = this.#config;
    const deps = { client, clock, logger: logger.child("writers"), failures: this.#metrics.writeFailures };
    const write = leaderTask({ ...deps, model: this.#model, keeper }, this.#config);
    if (!hasLeaderElection) {
      this.#tasks.run("write", write);
      return;
    }
    const lease = { namespace, name: LEADER_LEASE, identity: this.#identity() };
    this.#stack.use(electLeader(lease, { client, clock, logger }, write));
  }

  /** Of this replica, and after a restart in the same place the same: then it need not wait for its own lease to end. */
  #identity(): string {
    const port = this.#secureGrpc?.address?.port ?? this.#grpc?.address?.port ?? process.pid;
    return this.#config.podName ?? `${hostname()}:${port}`;
  }
}

function modelOptions({ meshConfig, ...config }: IstiodConfig): Parameters<typeof createMeshModel>[0] {
  return {
    clusterId: config.clusterId,
    domain: config.domain,
    get trustDomain() {
      return meshConfig.trustDomain;
    },
    get rootNamespace() {
      return meshConfig.rootNamespace;
    },
    systemNamespace: config.namespace,
    isDryRunSent: config.isDryRunPolicySent,
  };
}
