// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream";
import type { Clock, Logger } from "@ambientmesh/core";
import { connectTcp, type NetnsRef } from "@ambientmesh/linux";
import { cliErrors } from "../../errors.ts";

/** Where connections to a forwarded port go: seen from inside a network namespace. */
export interface ForwardTarget {
  readonly netns: NetnsRef;
  readonly host: string;
  readonly port: number;
}

export interface ForwardOptions {
  /** For messages: "bookshop/storefront:80". */
  readonly name: string;
  /** Port of the machine's loopback. */
  readonly port: number;
  /** What to do if the port is taken: fail, or take another one. */
  readonly ifBusy: "fail" | "choose-another";
  /** Looked up for each connection; undefined refuses it. */
  readonly target: () => ForwardTarget | undefined;
}

/** A port of the machine's loopback that leads into the mesh. Disposing ends its connections. */
export interface PortForward extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
}

const LOOPBACK = "127.0.0.1";
const MAX_CONNECTIONS = 256;

/**
 * Opens a port on the machine's loopback whose connections are joined with connections made inside the mesh.
 * @throws MeshError CLI_PORT_BUSY
 */
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
  const port = await listen(server, options);
  return {
    name: options.name,
    port,
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

async function listen(server: Server, { name, port, ifBusy }: ForwardOptions): Promise<number> {
  const tryPort = async (wanted: number): Promise<number> => {
    server.listen({ host: LOOPBACK, port: wanted });
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  try {
    return await tryPort(port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    if (ifBusy === "choose-another") return tryPort(0);
    const text = `port ${port} of ${LOOPBACK}, which was to lead to ${name}, is in use; choose another one with --forward`;
    throw cliErrors.create("CLI_PORT_BUSY", text, { cause: error });
  }
}
