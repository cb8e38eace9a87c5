// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import {
  IstioCertificateResponseSchema,
  type IstioCertificateRequest,
  type IstioCertificateResponse,
} from "@ambientmesh/api/ca";
import { certificateServiceDefinition } from "@ambientmesh/ca/service";
import type { GrpcListener } from "@ambientmesh/xds";
import type { handleUnaryCall } from "@grpc/grpc-js";
import type { CertificateIssuer } from "./certificate-issuer.ts";

/** Offers the certificate service on a listener. */
export function serveCertificates(listener: GrpcListener, issuer: Pick<CertificateIssuer, "issue">): void {
  const createCertificate: handleUnaryCall<IstioCertificateRequest, IstioCertificateResponse> = (call, answer) => {
    void issuer.issue(listener.infoOf(call), call.request).then((issuance) => {
      if (issuance.kind === "issued") {
        answer(null, create(IstioCertificateResponseSchema, { certChain: [...issuance.chain] }));
      } else {
        const { code, message } = issuance.status;
        answer({ code, details: message });
      }
    });
  };
  listener.addService(certificateServiceDefinition, { createCertificate });
}
