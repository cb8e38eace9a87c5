// SPDX-License-Identifier: Apache-2.0
import { checkServerIdentity, createSecureContext, getCACertificates, type PeerCertificate } from "node:tls";
import { createTlsPolicy } from "@ambientmesh/spiffe";
import { Client, credentials, type ChannelCredentials } from "@grpc/grpc-js";
import type { ServiceAddress } from "./address.ts";

/** Roots from a file, as PEM, or those of the operating system. */
export type RootSource = { readonly file: string } | { readonly pem: string } | { readonly system: true };

interface ChannelOptions {
  readonly rootCa: RootSource;
  readonly alternativeHostname?: string | undefined;
  readonly isTls12Enabled?: boolean;
}

/** Certificate chains have a few kB; a service that sends more is not one. */
const MAX_ANSWER_BYTES = 1024 * 1024;

function tlsCredentials({ host }: ServiceAddress, rootsPem: string, options: ChannelOptions): ChannelCredentials {
  const { rootCa, alternativeHostname, isTls12Enabled = false } = options;
  const policy = createTlsPolicy({ isTls12Enabled });
  const context = createSecureContext({
    ca: "system" in rootCa ? getCACertificates("system") : "pem" in rootCa ? rootCa.pem : rootsPem,
    minVersion: policy.minVersion,
    ciphers: policy.cipherSuites,
    ecdhCurve: policy.groups,
  });
  return credentials.createFromSecureContext(context, {
    rejectUnauthorized: true,
    checkServerIdentity: (_name: string, certificate: PeerCertificate) => {
      const mismatch = checkServerIdentity(host, certificate);
      const isOther = alternativeHostname !== undefined && !checkServerIdentity(alternativeHostname, certificate);
      return isOther ? undefined : mismatch;
    },
  });
}

/** A client whose channel connects on first use. `rootsPem` is the content of `rootCa.file`. */
export function openChannel(address: ServiceAddress, rootsPem: string, options: ChannelOptions): Client {
  const channelCredentials = address.isTls ? tlsCredentials(address, rootsPem, options) : credentials.createInsecure();
  return new Client(address.target, channelCredentials, {
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
    // Retries are the certificate manager's, with its back-off.
    "grpc.enable_retries": 0,
    "grpc.max_reconnect_backoff_ms": 15_000,
    // The control plane is never behind a proxy that the environment names for the outside world.
    "grpc.enable_http_proxy": 0,
  });
}
