// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import type { VerifiedPeer } from "@ambientmesh/spiffe";
import { FakeClock } from "@ambientmesh/testkit";
import { expect } from "vitest";
import {
  HbonePool,
  HboneServer,
  type ConnectRequest,
  type HbonePoolDeps,
  type HbonePoolOptions,
  type HboneServerOptions,
  type SecureOutcome,
  type TunnelStream,
  type TunnelTarget,
} from "../../src/index.ts";
import { memoryPair } from "./memory-pair.ts";
import { opened } from "./mesh.ts";

export const peer = { id: "spiffe://cluster.local/ns/a/sa/b" } as VerifiedPeer;
export const plain = async (raw: Duplex): Promise<SecureOutcome> => ({ kind: "established", socket: raw, peer });
export const target: TunnelTarget = { source: "spiffe://a", expected: ["spiffe://b"], address: "10.0.0.1:15008" };
export const request = { authority: "10.0.0.1:80" };

export interface Bed {
  readonly pool: HbonePool;
  readonly server: HboneServer<number>;
  readonly clock: FakeClock;
  /** Addresses dialled so far. */
  readonly dials: string[];
  readonly far: TunnelStream[];
  /** While set, dials wait for it. */
  gate: Promise<void> | undefined;
}

export interface BedOptions {
  readonly pool?: HbonePoolOptions;
  readonly server?: HboneServerOptions;
  readonly deps?: Partial<HbonePoolDeps<TunnelTarget>>;
  readonly onConnect?: (request: ConnectRequest<number>) => void | Promise<void>;
}

/** A pool and a server that meet in memory, without TLS. */
export function setUp(options: BedOptions = {}): Bed {
  const clock = new FakeClock();
  const far: TunnelStream[] = [];
  const server = new HboneServer<number>(
    {
      secure: plain,
      clock,
      onConnect:
        options.onConnect ??
        ((asked) => {
          const tunnel = asked.accept();
          tunnel?.on("error", () => tunnel.destroy());
          if (tunnel) far.push(tunnel);
        }),
    },
    { pingIntervalMs: 0, ...options.server },
  );
  const dials: string[] = [];
  const bed: Bed = {
    clock,
    server,
    dials,
    far,
    gate: undefined,
    pool: new HbonePool(
      {
        clock,
        secure: plain,
        dial: async ({ address }) => {
          dials.push(address);
          await bed.gate;
          const [near, remote] = memoryPair();
          server.handle(remote, dials.length);
          return near;
        },
        ...options.deps,
      },
      { pingIntervalMs: 0, ...options.pool },
    ),
  };
  return bed;
}

export async function tunnel(bed: Bed, to: TunnelTarget = target): Promise<TunnelStream> {
  const near = opened(await bed.pool.connect(to, request));
  near.on("error", () => near.destroy());
  return near;
}

/** Writes a value down, and gives another. */
export function noting<T, R>(list: T[], value: T, result: R): R {
  list.push(value);
  return result;
}

export const many = (bed: Bed, count: number): Promise<TunnelStream[]> =>
  Promise.all(Array.from({ length: count }, () => tunnel(bed)));
export const isCode = (code: string): object => expect.objectContaining({ code }) as object;
