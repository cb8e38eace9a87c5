// SPDX-License-Identifier: Apache-2.0
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
  IstioCertificateService,
  type IstioCertificateRequest,
  type IstioCertificateResponse,
} from "@ambientmesh/api/ca";
import { fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";

/** The definition's one method, for `server.addService` and for `makeUnaryRequest`. */
export interface CertificateServiceMethods {
  readonly createCertificate: MethodDefinition<IstioCertificateRequest, IstioCertificateResponse>;
}

/** Key in a request's metadata under which a node proxy names the workload it asks for. */
export const IMPERSONATED_IDENTITY = "ImpersonatedIdentity";

interface Codec<T> {
  readonly serialize: (message: T) => Buffer;
  readonly deserialize: (bytes: Buffer) => T;
}

function codec<Schema extends DescMessage>(schema: Schema): Codec<MessageShape<Schema>> {
  return {
    serialize: (message) => {
      const bytes = toBinary(schema, message);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    deserialize: (bytes) => fromBinary(schema, bytes),
  };
}

const request = codec(IstioCertificateRequestSchema);
const response = codec(IstioCertificateResponseSchema);

/** `istio.v1.auth.IstioCertificateService` for @grpc/grpc-js, client and server, with protobuf-es messages. */
export const certificateServiceDefinition: ServiceDefinition & CertificateServiceMethods = {
  createCertificate: {
    path: `/${IstioCertificateService.typeName}/${IstioCertificateService.method.createCertificate.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
    originalName: "createCertificate",
  },
};
