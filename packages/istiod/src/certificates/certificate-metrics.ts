// SPDX-License-Identifier: Apache-2.0
import type { CounterSeries, Family, Metrics } from "@ambientmesh/core";

/** Counters of the certificate service, under Istio's names. */
export interface CertificateMetrics {
  readonly requests: CounterSeries;
  readonly issued: CounterSeries;
  readonly authenticationFailures: CounterSeries;
  readonly impersonationFailures: CounterSeries;
  readonly unreadableRequests: CounterSeries;
  readonly identityFailures: CounterSeries;
  readonly signingFailures: Family<"error", CounterSeries>;
}

export function certificateMetrics(metrics: Metrics): CertificateMetrics {
  const count = (name: string, help: string): CounterSeries => metrics.counter({ name, help }).with({});
  return {
    requests: count("citadel_server_csr_count", "Certificate requests received."),
    issued: count("citadel_server_success_cert_issuance_count", "Certificates issued."),
    authenticationFailures: count("citadel_server_authentication_failure_count", "Requests whose caller is not known."),
    impersonationFailures: count(
      "citadel_server_impersonation_failure_count",
      "Requests of node proxies for identities that they may not have.",
    ),
    unreadableRequests: count(
      "citadel_server_csr_parsing_err_count",
      "Requests that can't be read or ask for too much.",
    ),
    identityFailures: count(
      "citadel_server_id_extraction_err_count",
      "Requests that name whom they are for in a wrong way.",
    ),
    signingFailures: metrics.counter({
      name: "citadel_server_csr_sign_err_count",
      help: "Certificates that could not be signed.",
      labels: ["error"],
    }),
  };
}
