// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { hboneErrors, type ConnectRequest } from "../../src/index.ts";
import { isCode, noting, request, setUp, target, tunnel } from "../support/memory-mesh.ts";
import { memoryPair } from "../support/memory-pair.ts";
import { opened } from "../support/mesh.ts";
import { settled, until } from "../support/turns.ts";

describe("a request", () => {
  it("that is refused is an answer, not an error", async () => {
    const bed = setUp({ onConnect: (asked) => asked.refuse(503, { "x-why": "not now" }) });
    expect(await bed.pool.connect(target, request)).toMatchObject({
      kind: "refused",
      status: 503,
      headers: { "x-why": "not now" },
    });
    expect(bed.pool.stats()).toMatchObject({ tunnelsRefusedTotal: 1, tunnels: 0, connections: 1 });
  });

  it("whose handler fails or says nothing is refused with 500", async () => {
    const bed = setUp({
      onConnect: (asked) => {
        if (asked.authority === "throws:1") throw new Error("oops");
      },
    });
    expect(await bed.pool.connect(target, { authority: "throws:1" })).toMatchObject({ status: 500 });
    expect(await bed.pool.connect(target, { authority: "silent:1" })).toMatchObject({ status: 500 });
  });

  it("with too many headers is refused with 431, and not even sent once the limit is known", async () => {
    const bed = setUp({ server: { maxHeaderList: 300 } });
    const large = { ...request, headers: { a: "x".repeat(300) } };
    expect(await bed.pool.connect(target, large)).toMatchObject({ kind: "refused", status: 431 });
    await settled();
    await expect(bed.pool.connect(target, large)).rejects.toMatchObject({
      code: "HBONE_LIMIT",
      details: { limit: 300 },
    });
    await tunnel(bed);
    expect(bed.pool.stats()).toMatchObject({ connections: 1, tunnels: 1 });
  });

  it.each([200, 299, 600, 404.5, Number.NaN])("can't be refused with %d", async (status) => {
    const caught: unknown[] = [];
    const bed = setUp({
      onConnect: (asked) => {
        try {
          asked.refuse(status);
        } catch (error) {
          caught.push(error);
        }
        asked.refuse(403);
      },
    });
    expect(await bed.pool.connect(target, request)).toMatchObject({ status: 403 });
    expect(caught).toEqual([isCode("HBONE_OPTIONS_INVALID")]);
  });

  it("can be answered once only", async () => {
    const caught: unknown[] = [];
    const bed = setUp({
      onConnect: (asked) => {
        asked.accept()?.on("error", () => {});
        try {
          asked.refuse(503);
        } catch (error) {
          caught.push(error);
        }
      },
    });
    await tunnel(bed);
    expect(caught).toEqual([isCode("HBONE_ALREADY_ANSWERED")]);
  });

  it.each([
    ["a line break in a header", { headers: { a: "b\r\nc: d" } }, "HBONE_HEADER_INVALID"],
    ["a name that is none", { headers: { "a b": "c" } }, "HBONE_HEADER_INVALID"],
    ["characters beyond latin1", { headers: { a: "\u2713" } }, "HBONE_HEADER_INVALID"],
    ["a header of HTTP/1", { headers: { Connection: "close" } }, "HBONE_HEADER_INVALID"],
    ["a pseudo header", { headers: { ":path": "/" } }, "HBONE_HEADER_INVALID"],
    ["no authority", { authority: "" }, "HBONE_HEADER_INVALID"],
    ["an authority with blanks", { authority: "a b:1" }, "HBONE_HEADER_INVALID"],
    ["an aborted signal", { signal: AbortSignal.abort(hboneErrors.create("HBONE_LIMIT", "x")) }, "ABORTED"],
  ])("with %s is not sent", async (_name, change, code) => {
    const bed = setUp();
    await expect(bed.pool.connect(target, { ...request, ...change })).rejects.toEqual(isCode(code));
    expect(bed.server.stats().tunnelsAcceptedTotal).toBe(0);
  });

  it("can be withdrawn while it waits for its answer", async () => {
    const asked: ConnectRequest<number>[] = [];
    const never = new Promise<void>(() => {});
    const bed = setUp({ onConnect: (each) => noting(asked, each, never) });
    const abort = new AbortController();
    const waiting = bed.pool.connect(target, { ...request, signal: abort.signal });
    await until(() => asked.length === 1);
    abort.abort(new Error("the client has gone"));
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    await until(() => asked[0]?.signal.aborted === true);
    expect(bed.server.stats()).toMatchObject({ tunnelsWithdrawnTotal: 1 });
  });

  it("is made again when the peer did not look at it, but not for ever", async () => {
    let refusals = 2;
    let answered = 0;
    const bed = setUp({
      onConnect: (asked) => {
        answered++;
        if (refusals-- > 0) Reflect.get(asked, "signal");
        asked.accept()?.on("error", () => {});
      },
      server: { maxStreams: 1 },
    });
    // The server takes one tunnel per connection; until its settings are there, two are begun.
    const both = await Promise.all([bed.pool.connect(target, request), bed.pool.connect(target, request)]);
    for (const outcome of both) opened(outcome).on("error", () => {});
    expect(answered).toBe(2);
    expect(bed.pool.stats()).toMatchObject({ retriesTotal: 1, dialsTotal: 2 });
  });
});

describe("the end of a server", () => {
  it("lets tunnels finish, turns new sockets away, and resolves when all is closed", async () => {
    const bed = setUp();
    const one = await tunnel(bed);
    const closing = bed.server.close(60_000);
    const [, late] = memoryPair();
    bed.server.handle(late, 1);
    expect(late.destroyed).toBe(true);
    one.end();
    bed.far[0]?.resume().end();
    one.resume();
    await closing;
    expect(bed.server.stats()).toMatchObject({ connections: 0, tunnels: 0 });
  });

  it("comes with its deadline", async () => {
    const bed = setUp();
    await tunnel(bed);
    const closing = bed.server.close(5000);
    bed.clock.advance(5000);
    await closing;
    expect(bed.far[0]?.destroyed).toBe(true);
  });

  it("bounds how many connections there are", async () => {
    const bed = setUp({ server: { maxConnections: 2 } });
    for (const index of [1, 2]) await tunnel(bed, { ...target, address: `10.0.0.${index}:1` });
    const third = bed.pool.connect({ ...target, address: "10.0.0.3:1" }, request);
    await expect(third).rejects.toEqual(isCode("HBONE_CONNECTION_CLOSED"));
    expect(bed.server.stats()).toMatchObject({ connections: 2, connectionsFailedTotal: 1 });
  });
});
