// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** Stable codes of everything this package raises. */
export const xdsErrors: ErrorCatalogue<
  | "XDS_CONNECT_FAILED"
  | "XDS_LISTEN_FAILED"
  | "XDS_LOCAL_FAILED"
  | "XDS_OPTION_INVALID"
  | "XDS_STREAM_ENDED"
  | "XDS_TLS_INVALID"
> = errorCatalogue({
  XDS_CONNECT_FAILED:
    "No connection to the discovery server came about; the cause says whether TCP, TLS or HTTP/2 failed.",
  XDS_LISTEN_FAILED: "A gRPC listener could not bind its address.",
  XDS_LOCAL_FAILED:
    "Something on the client's own side (token, root certificates, headers) was not usable for a stream.",
  XDS_OPTION_INVALID: "An option given to the xDS library contradicts another one or is out of range.",
  XDS_STREAM_ENDED: "The discovery server ended a stream with a gRPC status other than OK; details hold the status.",
  XDS_TLS_INVALID: "Key, certificate or client CA of a listener can't be used together.",
});
