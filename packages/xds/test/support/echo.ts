// SPDX-License-Identifier: Apache-2.0
import { Client, Metadata, credentials, type ServiceDefinition } from "@grpc/grpc-js";

export const asIs = (bytes: Buffer): Buffer => bytes;

const ECHO_PATH = "/test.Echo/Echo";

/** A service of one unary method that moves bytes. */
export const ECHO: ServiceDefinition = {
  echo: {
    path: ECHO_PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
};

/** Calls it; rejects with the ServiceError. */
export function callEcho(client: Client, message: Buffer, metadata: Metadata = new Metadata()): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  client.makeUnaryRequest(ECHO_PATH, asIs, asIs, message, metadata, (error, answer) => {
    if (error) reject(error);
    else resolve(answer ?? Buffer.alloc(0));
  });
  return promise;
}

/** A client with a connection of its own. */
export function plainClient(address: string): Client {
  return new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
}
