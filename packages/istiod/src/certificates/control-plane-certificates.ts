// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AUTHORITY_FILE_NAMES, readAuthorityFolder } from "@ambientmesh/ca";
import {
  Backoff,
  isMeshError,
  messageOf,
  type Clock,
  type Logger,
  type Metrics,
  type TaskGroup,
} from "@ambientmesh/core";
import type { KubeClient } from "@ambientmesh/kube";
import { FileWatcher } from "@ambientmesh/spiffe";
import type { ServerTlsSource } from "@ambientmesh/xds";
import type { IstiodConfig } from "../config/config.ts";
import { errors } from "../errors.ts";
import { AuthorityKeeper, type ObtainAuthority } from "./authority-keeper.ts";
import { authoritySecret } from "./authority-secret.ts";
import { SelfSignedAuthority } from "./self-signed-authority.ts";
import { IssuedServingCertificate, servingNames } from "./serving-certificate.ts";
import { MOUNTED_SERVING_FILES, ServingCertificateFiles, type ServingFiles } from "./serving-files.ts";

export interface CertificatesDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Runs what looks after certificates. */
  readonly tasks: TaskGroup;
  /** Owns what has to be closed. */
  readonly stack: AsyncDisposableStack;
}

type Config = Pick<IstiodConfig, "namespace" | "revision" | "meshConfig" | "certificates" | "tls">;

/**
 * The authority of the mesh: from the plugged-in folder if that holds one, otherwise self-made. Waits for the API server
 * as long as it takes; an authority that is there but can't be used is an error.
 */
export async function openAuthority(
  deps: CertificatesDeps,
  config: Config,
  signal?: AbortSignal,
): Promise<AuthorityKeeper> {
  const { tasks, stack, logger } = deps;
  const { rootDirectory, selfSignedCheckIntervalMs, defaultTtlMs, maxTtlMs } = config.certificates;
  const isPlugged = (await readAuthorityFolder(rootDirectory)) !== undefined;
  logger.info("certificate authority", isPlugged ? { folder: rootDirectory } : { secret: config.namespace });
  const obtain = isPlugged ? folderAuthority(rootDirectory) : selfSignedAuthority(deps, config);
  const keeper = await AuthorityKeeper.create(
    { ...deps, obtain: (stop) => untilAvailable(() => obtain(stop), deps, stop) },
    {
      policy: { defaultTtlSeconds: defaultTtlMs / 1000, maxTtlSeconds: maxTtlMs / 1000 },
      checkIntervalMs: selfSignedCheckIntervalMs,
    },
    signal,
  );
  tasks.run("refresh authority", (stop) => keeper.run(stop));
  if (isPlugged) {
    const paths = AUTHORITY_FILE_NAMES.map((name) => join(rootDirectory, name));
    const watcher = stack.use(new FileWatcher(deps, { paths, onChange: () => keeper.refresh(tasks.signal) }));
    await watcher.start();
  }
  return keeper;
}

/** What the TLS port shows: files of the operator, or a certificate from the authority. */
export async function openServingCertificate(
  deps: CertificatesDeps,
  config: Config,
  keeper: AuthorityKeeper,
): Promise<ServerTlsSource> {
  const files = servingFilesOf(config);
  if (files) {
    const clientRoots = (): string => keeper.authority.rootsPem;
    return deps.stack.use(await ServingCertificateFiles.create({ ...deps, clientRoots }, files));
  }
  const { namespace, revision, certificates } = config;
  const names = servingNames({ namespace, revision, customHosts: certificates.customHosts });
  const issued = await IssuedServingCertificate.create({ ...deps, keeper }, names);
  deps.tasks.run("renew serving certificate", (stop) => issued.run(stop));
  return issued;
}

function servingFilesOf({ tls: { certificateFile, keyFile } }: Config): ServingFiles | undefined {
  if (certificateFile !== undefined && keyFile !== undefined) return { certificateFile, keyFile };
  return existsSync(MOUNTED_SERVING_FILES.certificateFile) ? MOUNTED_SERVING_FILES : undefined;
}

function folderAuthority(folder: string): ObtainAuthority {
  return async () => {
    const read = await readAuthorityFolder(folder);
    if (read) return read;
    throw errors.create("ISTIOD_AUTHORITY_MISSING", `the certificate authority in ${folder} is gone`);
  };
}

function selfSignedAuthority({ client, clock, logger }: CertificatesDeps, config: Config): ObtainAuthority {
  const { selfSignedKeyType, selfSignedTtlMs, selfSignedGracePercent } = config.certificates;
  const store = authoritySecret(client, config.namespace);
  const authority = new SelfSignedAuthority(
    { clock, logger, store },
    {
      trustDomain: config.meshConfig.trustDomain,
      keyType: selfSignedKeyType,
      ttlMs: selfSignedTtlMs,
      graceRatio: selfSignedGracePercent / 100,
    },
  );
  return async (signal) => ({ material: await authority.obtain(signal) });
}

/** Repeats what failed only because the API server is away. */
async function untilAvailable<T>(
  work: () => Promise<T>,
  { clock, logger }: Pick<CertificatesDeps, "clock" | "logger">,
  signal?: AbortSignal,
): Promise<T> {
  const backoff = new Backoff({ initialMs: 100, maxMs: 5000 });
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isMeshError(error) || !error.retryable) throw error;
      logger.warn("waiting for the API server", { reason: messageOf(error) });
      await clock.sleep(backoff.next(), signal);
    }
  }
}
