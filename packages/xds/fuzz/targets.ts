// SPDX-License-Identifier: Apache-2.0
import { ok, strictEqual } from "node:assert/strict";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  type DeltaDiscoveryRequest,
} from "@ambientmesh/api/discovery";
import { noMetrics } from "@ambientmesh/core";
import { FakeClock, isProtobufError, sizeOf, type FuzzTarget, type FuzzTargets } from "@ambientmesh/testkit";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  DELTA_METHOD,
  DeltaClient,
  MemoryTransport,
  ResourceCache,
  SOTW_METHOD,
  SotwClient,
  XdsServer,
  deltaType,
  sotwType,
  type ResourceChanges,
  type SotwResourceType,
  type XdsMethod,
  type XdsTransport,
} from "../src/index.ts";

const TYPE = "type.googleapis.com/fuzz.Text";
const node = { id: "ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local" };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An input is several messages, each with its length in front in two octets. */
function* messagesIn(input: Buffer): Iterable<Buffer> {
  for (let at = 0; at + 2 <= input.length;) {
    const end = at + 2 + input.readUInt16BE(at);
    yield input.subarray(at + 2, end);
    at = end;
  }
}

const joined = (...messages: readonly Uint8Array[]): Buffer =>
  Buffer.concat(
    messages.flatMap((message) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      return [length, message];
    }),
  );

/** The messages that are some. */
function decodedFrom<T>(input: Buffer, decode: (bytes: Buffer) => T): T[] {
  const decodedOnes: T[] = [];
  for (const bytes of messagesIn(input)) {
    try {
      const message = decode(bytes);
      sizeOf(message, 8192 + 256 * bytes.length);
      decodedOnes.push(message);
    } catch (error) {
      if (!isProtobufError(error)) throw error;
    }
  }
  return decodedOnes;
}

/** Whatever a client sends, the server goes on, and no nonce is given twice. */
const requests =
  <Request, Response extends { readonly nonce: string }>(method: XdsMethod<Request, Response>): FuzzTarget["run"] =>
  async (input) => {
    const clock = new FakeClock(0);
    using cache = new ResourceCache({ clock }, { quietMs: 0 });
    for (const name of ["a", "b"]) cache.store(TYPE).set({ name, value: Buffer.from(name), aliases: [`/${name}`] });
    cache.flush();
    await using server = new XdsServer<string>(
      { clock },
      { types: [{ typeUrl: TYPE, source: cache.store(TYPE) }], maxNamesPerType: 50 },
    );
    server.markReady();
    const transport = new MemoryTransport(server, () => ({ outcome: "authenticated", identity: "me" }));
    const call = await transport.open(method);
    const nonces: string[] = [];
    let ended = "open";
    const reading = (async () => {
      try {
        for await (const { nonce } of call) nonces.push(nonce);
      } catch (error) {
        ended = String((error as { details?: { status?: number } }).details?.status);
      }
    })();
    const sent = decodedFrom(input, method.decodeRequest);
    for (const message of sent.slice(0, 10)) {
      await call.send(message);
      await turn();
    }
    await turn();
    strictEqual(new Set(nonces).size, nonces.length);
    const names = server.clients().flatMap(({ types }) => types.length);
    call.close();
    await reading;
    return `${Math.min(sent.length, 4)} ${Math.min(nonces.length, 4)} ${ended} ${names.join()}`;
  };

/** Keeps texts of two octets at most, and says of others that they can't be used. */
class Owner implements SotwResourceType<string> {
  readonly typeUrl = TYPE;
  readonly texts = new Map<string, string>();

  decode(bytes: Uint8Array): string {
    if (bytes.length > 20) throw new RangeError("too long");
    return Buffer.from(bytes).toString("latin1");
  }

  nameOf(value: string): string {
    return value.slice(0, 1);
  }

  apply({ upserted, removed }: ResourceChanges<string>): { name: string; reason: string }[] {
    for (const { name, value } of upserted) if (value.length <= 2) this.texts.set(name, value);
    for (const name of removed) this.texts.delete(name);
    return upserted.filter(({ value }) => value.length > 2).map(({ name }) => ({ name, reason: "too long" }));
  }
}

/** Whatever a server sends is answered once, with its nonce, and leads to no more than what it holds. */
const responses =
  (isDelta: boolean): FuzzTarget["run"] =>
  async (input) => {
    const decode = (bytes: Buffer): { readonly nonce: string } =>
      isDelta ? DELTA_METHOD.decodeResponse(bytes) : SOTW_METHOD.decodeResponse(bytes);
    const given = decodedFrom(input, decode).slice(0, 10);
    const sent: { responseNonce: string; errorDetail?: unknown }[] = [];
    const over = Promise.withResolvers<void>();
    let streams = 0;
    const transport: XdsTransport = {
      open: async () => ({
        send: async (request) => void sent.push(request as DeltaDiscoveryRequest),
        close: () => over.resolve(),
        async *[Symbol.asyncIterator]() {
          if (streams++ > 0) await over.promise;
          else for (const response of given) yield response as never;
          await over.promise;
        },
      }),
    };
    const owner = new Owner();
    const deps = { transport, clock: new FakeClock(0), metrics: noMetrics, random: () => 0.5 };
    const me = () => create(DeltaDiscoveryRequestSchema, { node }).node as never;
    await using client = isDelta
      ? new DeltaClient(deps, { node: me, types: [deltaType(owner, "wildcard")] })
      : new SotwClient(deps, { node: me, types: [sotwType(owner, "wildcard")] });
    const started = client.start().catch(() => {});
    for (let count = 0; count < 4 + given.length; count++) await turn();
    const nonces = new Set(given.map(({ nonce }) => nonce));
    for (const { responseNonce } of sent) ok(responseNonce === "" || nonces.has(responseNonce), "a nonce is made up");
    sizeOf(owner.texts, 4096 + 64 * input.length);
    over.resolve();
    await client[Symbol.asyncDispose]();
    await started;
    const rejected = sent.filter(({ errorDetail }) => errorDetail !== undefined).length;
    return `${given.length} ${sent.length} ${rejected} ${Math.min(owner.texts.size, 3)}`;
  };

const resource = (name: string, text: string) => ({
  name,
  version: "1",
  resource: { typeUrl: TYPE, value: Buffer.from(text) },
});
const tokens = [TYPE, "\u0012\u0001*", "\u001a\u0001a"];

export const targets: FuzzTargets = {
  "delta-requests": {
    run: requests(DELTA_METHOD),
    seeds: () => [
      joined(
        toBinary(
          DeltaDiscoveryRequestSchema,
          create(DeltaDiscoveryRequestSchema, { node, typeUrl: TYPE, initialResourceVersions: { a: "1" } }),
        ),
        toBinary(
          DeltaDiscoveryRequestSchema,
          create(DeltaDiscoveryRequestSchema, {
            typeUrl: TYPE,
            responseNonce: "x",
            errorDetail: { code: 3, message: "no" },
          }),
        ),
        toBinary(
          DeltaDiscoveryRequestSchema,
          create(DeltaDiscoveryRequestSchema, {
            typeUrl: TYPE,
            resourceNamesSubscribe: ["a", "*"],
            resourceNamesUnsubscribe: ["b"],
          }),
        ),
      ),
    ],
    tokens,
    maxLength: 2048,
  },
  "sotw-requests": {
    run: requests(SOTW_METHOD),
    seeds: () => [
      joined(
        toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { node, typeUrl: TYPE })),
        toBinary(
          DiscoveryRequestSchema,
          create(DiscoveryRequestSchema, { typeUrl: TYPE, versionInfo: "1", responseNonce: "1", resourceNames: ["a"] }),
        ),
      ),
    ],
    tokens,
    maxLength: 2048,
  },
  "delta-responses": {
    run: responses(true),
    seeds: () => [
      joined(
        toBinary(
          DeltaDiscoveryResponseSchema,
          create(DeltaDiscoveryResponseSchema, {
            typeUrl: TYPE,
            nonce: "1",
            resources: [resource("a", "x"), resource("b", "long")],
            removedResources: ["c"],
          }),
        ),
        toBinary(
          DeltaDiscoveryResponseSchema,
          create(DeltaDiscoveryResponseSchema, { typeUrl: TYPE, nonce: "2", removedResources: ["a"] }),
        ),
      ),
    ],
    tokens,
    maxLength: 2048,
  },
  "sotw-responses": {
    run: responses(false),
    seeds: () => [
      joined(
        toBinary(
          DiscoveryResponseSchema,
          create(DiscoveryResponseSchema, {
            typeUrl: TYPE,
            nonce: "1",
            versionInfo: "1",
            resources: [{ typeUrl: TYPE, value: Buffer.from("x") }],
          }),
        ),
      ),
    ],
    tokens,
    maxLength: 2048,
  },
};
