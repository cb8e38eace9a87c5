// SPDX-License-Identifier: Apache-2.0
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { DeltaDiscoveryRequestSchema } from "@ambientmesh/api/discovery";
import { create } from "@bufbuild/protobuf";
import { DELTA_METHOD } from "../../src/index.ts";
import { nodeOf } from "./harness.ts";

/**
 * Asks for a type over bare HTTP/2 and then does not read, so that the flow control window fills up. (grpc-js itself
 * reads ahead without limit until the first message was asked for.)
 */
export class MuteClient implements Disposable {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  /** The gRPC status with which the server ended the stream, once it was read. */
  status: string | undefined;
  isClosed = false;

  constructor(address: string, typeUrl: string) {
    this.#session = connect(`http://${address}`);
    // Being cut is what the tests are about; they look at isClosed.
    this.#session.on("error", () => {});
    this.#stream = this.#session.request({
      ":method": "POST",
      ":path": DELTA_METHOD.path,
      "content-type": "application/grpc+proto",
      te: "trailers",
    });
    this.#stream.on("error", () => {});
    this.#stream.on("close", () => {
      this.isClosed = true;
    });
    const noteStatus = (headers: Record<string, unknown>): void => {
      const status = headers["grpc-status"];
      if (typeof status === "string") this.status = status;
    };
    this.#stream.on("response", noteStatus);
    this.#stream.on("trailers", noteStatus);
    const message = DELTA_METHOD.encodeRequest(create(DeltaDiscoveryRequestSchema, { typeUrl, node: nodeOf("mute") }));
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    message.copy(frame, 5);
    this.#stream.write(frame);
  }

  /** Ends its side and begins to read, dropping everything. */
  read(): void {
    this.#stream.end();
    this.#stream.resume();
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}
