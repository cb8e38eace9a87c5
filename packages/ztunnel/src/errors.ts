// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const CODES = {
  ZTUNNEL_CREDENTIALS: "The token or the root certificate for the control plane can't be read; it is tried again.",
  ZTUNNEL_DNS_UNANSWERED: "No name server answered a question that was passed on; the client is told so.",
  ZTUNNEL_LOCAL_CONFIG:
    "The local configuration (LOCAL_XDS, LOCAL_XDS_PATH) holds something that can't be used; it says where.",
  ZTUNNEL_NAME_UNRESOLVED: "A workload is known by its host name only, and that has no address.",
  ZTUNNEL_NO_CA: "A certificate is needed and CA_ADDRESS names no certificate service.",
  ZTUNNEL_PEER_REVOKED: "A tunnel was ended because the certificate of its peer has been revoked.",
  ZTUNNEL_POD_START: "The proxy of a pod can't be started; it is tried again, other pods are not touched.",
  ZTUNNEL_RESOURCE: "The control plane sent a workload, service or policy that can't be used; it is told why.",
  ZTUNNEL_ZDS_MESSAGE: "The CNI agent sent a message that can't be read; the connection is made anew.",
  ZTUNNEL_ZDS_NETNS: "The CNI agent sent a file descriptor that is no network namespace.",
  ZTUNNEL_ZDS_PROTOCOL: "The CNI agent sent a message at a time it must not; the connection is made anew.",
} as const;

/** What ztunnel itself raises. How a connection ended is not an error but a reason ({@link REASONS}). */
export const ztunnelErrors: ErrorCatalogue<keyof typeof CODES> = errorCatalogue(CODES);
