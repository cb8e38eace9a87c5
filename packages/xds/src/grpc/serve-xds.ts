// SPDX-License-Identifier: Apache-2.0
import type { DeltaDiscoveryRequest, DiscoveryRequest } from "@ambientmesh/api/discovery";
import type { ServiceDefinition, handleBidiStreamingCall } from "@grpc/grpc-js";
import type { GrpcListener } from "./listener.ts";
import { GrpcServerStream } from "./grpc-server-stream.ts";
import { DELTA_METHOD, SOTW_METHOD, asBuffer, type XdsMethod } from "../protocol/methods.ts";
import type { Authenticate } from "../server/hooks.ts";
import type { StreamAcceptor } from "../server/xds-server.ts";

/**
 * Offers aggregated discovery on a listener. Each listener has its own way to find out who calls: client certificates
 * and tokens where there is TLS, nothing on a loopback port.
 */
export function serveXds<Identity>(
  server: StreamAcceptor<Identity>,
  listener: GrpcListener,
  authenticate: Authenticate<Identity>,
): void {
  const delta: handleBidiStreamingCall<DeltaDiscoveryRequest, Uint8Array> = (call) => {
    void server.acceptDelta(new GrpcServerStream(call, listener.peerOf(call)), authenticate);
  };
  const sotw: handleBidiStreamingCall<DiscoveryRequest, Uint8Array> = (call) => {
    void server.acceptSotw(new GrpcServerStream(call, listener.peerOf(call)), authenticate);
  };
  listener.addService(SERVICE, { deltaAggregatedResources: delta, streamAggregatedResources: sotw });
}

const SERVICE: ServiceDefinition = {
  deltaAggregatedResources: definition(DELTA_METHOD),
  streamAggregatedResources: definition(SOTW_METHOD),
};

// Responses are encoded before they get to gRPC, so that clients can share them.
function definition<Request, Response>(method: XdsMethod<Request, Response>): ServiceDefinition[string] {
  return {
    path: method.path,
    requestStream: true,
    responseStream: true,
    requestSerialize: method.encodeRequest,
    requestDeserialize: method.decodeRequest,
    responseSerialize: asBuffer,
    responseDeserialize: (bytes: Buffer) => bytes,
  };
}
