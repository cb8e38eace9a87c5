// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import type { Clock, Logger } from "@ambientmesh/core";
import { connectTcp, type NetnsRef } from "@ambientmesh/linux";
import { cliErrors } from "../../errors.ts";
import type { HostSocket } from "../host-sockets.ts";

/** Where connections to a forwarded port go: seen from inside a network namespace. */
export interface ForwardTarget {
  readonly netns: NetnsRef;
  readonly host: string;
  readonly port: number;
}

export interface ForwardOptions {
  /** For messages: "bookshop/storefront:80". */
  readonly name: string;
  /** On the machine's loopback; belongs to the forward from now on. */
  readonly socket: HostSocket;
  /** Looked up for each connection; undefined refuses it. */
  readonly target: () => ForwardTarget | undefined;
}

/** A port of the machine's loopback that leads into the mesh. Disposing ends its connections. */
export interface PortForward extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
}

const MAX_CONNECTIONS = 256;

/** Joins connections to a port of the machine's loopback with connections made inside the mesh. */
export async function openForward(
  options: ForwardOptions,
  deps: { readonly clock: Clock; readonly logger: Logger },
): Promise<PortForward> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    // The other end learns of it by its own end of the pipe.
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    keep(near);
    void join(near, options, { ...deps, keep });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ fd: options.socket.fd });
  await once(server, "listening");
  return {
    name: options.name,
    port: options.socket.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

async function join(
  near: Socket,
  { name, target }: ForwardOptions,
  deps: { readonly clock: Clock; readonly logger: Logger; readonly keep: (socket: Socket) => void },
): Promise<void> {
  const where = target();
  try {
    if (where === undefined) throw cliErrors.create("CLI_TARGET_NOT_FOUND", `${name} is not there`);
    const far = await connectTcp(where, deps);
    deps.keep(far);
    // Each direction ends by itself; an error of one ends both.
    pipeline(near, far, () => {});
    pipeline(far, near, () => {});
  } catch (error) {
    deps.logger.warn("a forwarded connection failed", { name, error });
    near.destroy();
  }
}
