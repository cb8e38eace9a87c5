// SPDX-License-Identifier: Apache-2.0
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from "@ambientmesh/api/discovery";
import { fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";

const SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService";

/** A bidirectional method of aggregated discovery with its (de)serialisers. */
export interface XdsMethod<Request, Response> {
  readonly path: string;
  readonly encodeRequest: (request: Request) => Buffer;
  readonly decodeRequest: (bytes: Buffer) => Request;
  readonly decodeResponse: (bytes: Buffer) => Response;
}

/** `DeltaAggregatedResources`: changes only. */
export const DELTA_METHOD: XdsMethod<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = method(
  "DeltaAggregatedResources",
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
);

/** `StreamAggregatedResources`: the state of the world each time. */
export const SOTW_METHOD: XdsMethod<DiscoveryRequest, DiscoveryResponse> = method(
  "StreamAggregatedResources",
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
);

function method<Request extends DescMessage, Response extends DescMessage>(
  name: string,
  request: Request,
  response: Response,
): XdsMethod<MessageShape<Request>, MessageShape<Response>> {
  return {
    path: `${SERVICE}/${name}`,
    encodeRequest: (message) => asBuffer(toBinary(request, message)),
    decodeRequest: (bytes) => fromBinary(request, bytes),
    decodeResponse: (bytes) => fromBinary(response, bytes),
  };
}

/** The same memory as a Buffer, which is what grpc-js wants. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
