// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import {
  connectSeqpacket,
  listenSeqpacket,
  type MessageLimits,
  type SeqpacketConnection,
  type SeqpacketListener,
} from "../../src/index.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "linux-seqpacket-"));
  path = join(folder, "s.sock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Pair extends Disposable {
  readonly listener: SeqpacketListener;
  readonly client: SeqpacketConnection;
  readonly server: SeqpacketConnection;
}

async function pair(limits: Partial<MessageLimits> = {}): Promise<Pair> {
  const listener = listenSeqpacket({ path, limits });
  const client = connectSeqpacket(path, { maxBytes: 65_536, maxFds: 8 });
  const server = await listener.accept();
  return {
    listener,
    client,
    server,
    [Symbol.dispose]: () => [client, server, listener].forEach((socket) => socket.close()),
  };
}

const openDescriptors = (): string[] => readdirSync("/proc/self/fd").filter((fd) => existsSync(`/proc/self/fd/${fd}`));
const code = (name: string): unknown => expect.objectContaining({ code: name });

describe("SOCK_SEQPACKET", () => {
  it("keeps messages apart and in order, both ways", async () => {
    using sockets = await pair();
    const { client, server } = sockets;
    await Promise.all(["a", "bb", "ccc"].map((text) => client.send(Buffer.from(text))));
    await server.send(Buffer.from([0x0a, 0x00]));
    for (const text of ["a", "bb", "ccc"]) {
      expect(await server.receive()).toEqual({ data: Buffer.from(text), fds: [] });
    }
    expect((await client.receive())?.data.toString("hex")).toBe("0a00");
  });

  it("waits for a message that comes later", async () => {
    using sockets = await pair();
    const waiting = sockets.server.receive();
    await sockets.client.send(Buffer.from("late"));
    expect((await waiting)?.data.toString()).toBe("late");
  });

  it("knows its peer", async () => {
    using sockets = await pair();
    const own = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    expect(sockets.client.peer).toEqual(own);
    expect(sockets.server.peer).toEqual(own);
  });

  it("passes a descriptor: same inode, another number, close-on-exec", async () => {
    using sockets = await pair();
    writeFileSync(join(folder, "file"), "content");
    const sent = openSync(join(folder, "file"), "r");
    await sockets.client.send(Buffer.from("x"), { fds: [sent] });
    const received = (await sockets.server.receive())?.fds[0] as number;
    try {
      expect(received).not.toBe(sent);
      expect(fstatSync(received).ino).toBe(fstatSync(sent).ino);
      expect(readFileSync(`/proc/self/fdinfo/${received}`, "utf8")).toMatch(/flags:\s*0[0-7]*2[0-7]{6}\b/);
    } finally {
      closeSync(sent);
      closeSync(received);
    }
  });

  it("drops a message that is too long, closes what came with it, and goes on", async () => {
    using sockets = await pair();
    const before = openDescriptors();
    await sockets.client.send(Buffer.alloc(1025), { fds: [0] });
    await sockets.client.send(Buffer.alloc(1024, 1));
    await expect(sockets.server.receive()).rejects.toThrow(code("LINUX_SEQPACKET_TRUNCATED"));
    expect((await sockets.server.receive())?.data.length).toBe(1024);
    expect(openDescriptors()).toEqual(before);
  });

  test.each([2, 3, 8])(
    "drops a message with %d descriptors where one is allowed, and closes them all",
    async (count) => {
      using sockets = await pair();
      const before = openDescriptors();
      await sockets.client.send(Buffer.from("x"), { fds: Array.from({ length: count }, () => 0) });
      await sockets.client.send(Buffer.from("y"));
      await expect(sockets.server.receive()).rejects.toThrow(/more than 1 descriptors/);
      expect((await sockets.server.receive())?.data.toString()).toBe("y");
      expect(openDescriptors()).toEqual(before);
    },
  );

  it("takes as many descriptors as it was told to", async () => {
    using sockets = await pair({ maxFds: 4 });
    await sockets.client.send(Buffer.from("x"), { fds: [0, 1, 2, 0] });
    const fds = (await sockets.server.receive())?.fds ?? [];
    expect(fds).toHaveLength(4);
    fds.forEach(closeSync);
  });

  it("refuses to send what can't be received", async () => {
    using sockets = await pair();
    await expect(sockets.server.send(Buffer.alloc(0))).rejects.toThrow(code("LINUX_ARGUMENT_INVALID"));
    await expect(sockets.server.send(Buffer.alloc(1025))).rejects.toThrow(/1 to 1024 bytes/);
    await expect(sockets.server.send(Buffer.from("x"), { fds: [0, 1] })).rejects.toThrow(/up to 1 descriptors/);
    await expect(sockets.server.send(Buffer.from("x"), { fds: [99_999] })).rejects.toThrow(/EBADF/);
  });
});

describe("back-pressure", () => {
  it("holds the sender until the receiver reads, then delivers everything in order", async () => {
    using sockets = await pair();
    const { client, server } = sockets;
    const count = 5000;
    let sent = 0;
    const sending = Promise.all(
      Array.from({ length: count }, async (_, index) => {
        await client.send(Buffer.from(String(index).padStart(1000)));
        sent++;
      }),
    );
    // The queue is full once a message could not be sent and nothing more happens.
    let before = -1;
    while (sent !== before) {
      before = sent;
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    }
    expect(sent).toBeLessThan(count);
    for (let index = 0; index < count; index++) {
      expect(Number((await server.receive())?.data.toString())).toBe(index);
    }
    await sending;
    expect(sent).toBe(count);
  });
});

describe("endings", () => {
  it("tells a receiver that the peer closed, after the last message", async () => {
    using sockets = await pair();
    await sockets.client.send(Buffer.from("last"));
    sockets.client.close();
    expect((await sockets.server.receive())?.data.toString()).toBe("last");
    expect(await sockets.server.receive()).toBeUndefined();
    await expect(sockets.server.send(Buffer.from("x"))).rejects.toThrow(code("LINUX_SEQPACKET_CLOSED"));
  });

  it("tells a waiting receiver, also when the peer leaves messages unread", async () => {
    using sockets = await pair();
    const waiting = sockets.client.receive();
    await sockets.client.send(Buffer.from("never read"));
    sockets.server.close();
    expect(await waiting).toBeUndefined();
  });

  it("fails those who wait when this side closes", async () => {
    using sockets = await pair();
    const receiving = sockets.server.receive();
    const accepting = sockets.listener.accept();
    sockets.server.close();
    sockets.listener.close();
    await expect(receiving).rejects.toThrow(code("LINUX_SEQPACKET_CLOSED"));
    await expect(accepting).rejects.toThrow(code("LINUX_SEQPACKET_CLOSED"));
    await expect(sockets.server.receive()).rejects.toThrow(code("LINUX_SEQPACKET_CLOSED"));
    sockets.server.close();
    sockets.listener.close();
  });

  it("fails a sender that waits for room when this side closes", async () => {
    using sockets = await pair();
    const sending = Array.from({ length: 5000 }, () => sockets.client.send(Buffer.alloc(1000)));
    const outcome = Promise.allSettled(sending);
    await new Promise(setImmediate);
    sockets.client.close();
    const results = await outcome;
    expect(results.at(-1)).toMatchObject({ status: "rejected", reason: { code: "LINUX_SEQPACKET_CLOSED" } });
  });

  it("gives up a wait on request, and loses no message by it", async () => {
    using sockets = await pair();
    const abort = new AbortController();
    const waiting = sockets.server.receive(abort.signal);
    abort.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow(code("ABORTED"));
    await sockets.client.send(Buffer.from("still here"));
    expect((await sockets.server.receive())?.data.toString()).toBe("still here");
    const accepting = sockets.listener.accept(AbortSignal.abort());
    await expect(accepting).rejects.toThrow(code("ABORTED"));
  });

  it("notices the death of the peer's process", async () => {
    const listener = listenSeqpacket({ path });
    const script = `import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\ns.connect(sys.argv[1])\ns.send(b'hi')\nsys.stdin.read()`;
    const peer = spawn("python3", ["-c", script, path], { stdio: ["pipe", "inherit", "inherit"] });
    try {
      using connection = await listener.accept();
      expect(connection.peer.pid).toBe(peer.pid);
      expect((await connection.receive())?.data.toString()).toBe("hi");
      const waiting = connection.receive();
      peer.kill("SIGKILL");
      expect(await waiting).toBeUndefined();
    } finally {
      peer.kill("SIGKILL");
      listener.close();
    }
  });

  it("leaves no descriptor and nothing that keeps the process alive", async () => {
    const before = openDescriptors();
    for (let round = 0; round < 20; round++) {
      using sockets = await pair();
      void sockets.server.receive().catch(() => undefined);
      await sockets.server.send(Buffer.from("x"));
    }
    expect(openDescriptors()).toEqual(before);
    expect(process.getActiveResourcesInfo().filter((name) => /poll/i.test(name))).toEqual([]);
  });
});

describe("the socket file", () => {
  it("has the mode asked for, and goes with the listener", () => {
    const listener = listenSeqpacket({ path, mode: 0o640 });
    expect(statSync(path).mode & 0o777).toBe(0o640);
    listener.close();
    expect(existsSync(path)).toBe(false);
  });

  it("is private by default", () => {
    using listener = listenSeqpacket({ path });
    expect(statSync(listener.path).mode & 0o777).toBe(0o600);
  });

  it("is taken over from a dead process, but not from a living one", () => {
    const first = listenSeqpacket({ path });
    expect(() => listenSeqpacket({ path })).toThrow(/another process listens/);
    const saved = join(folder, "saved");
    // As after SIGKILL: the file is there, the listener is not.
    linkSync(path, saved);
    first.close();
    linkSync(saved, path);
    using second = listenSeqpacket({ path });
    using client = connectSeqpacket(path);
    expect(client.peer.pid).toBe(process.pid);
    expect(second.path).toBe(path);
  });

  it("stays when a successor has replaced it", () => {
    const first = listenSeqpacket({ path });
    rmSync(path);
    using second = listenSeqpacket({ path });
    first.close();
    expect(existsSync(second.path)).toBe(true);
  });

  it("is no reason to delete other files, or other sockets", async () => {
    writeFileSync(path, "precious");
    expect(() => listenSeqpacket({ path })).toThrow(/is no socket/);
    expect(readFileSync(path, "utf8")).toBe("precious");
    rmSync(path);
    const stream = createServer().listen(path);
    await once(stream, "listening");
    expect(() => listenSeqpacket({ path })).toThrow(/another process listens/);
    stream.close();
  });

  test.each([
    ["", /0 bytes/],
    ["/tmp/" + "x".repeat(110), /115 bytes; 1 to 107/],
    ["/tmp/a\0b", /1 to 107/],
  ])("can't be called %j", (bad, message) => {
    expect(() => listenSeqpacket({ path: bad })).toThrow(message);
    expect(() => connectSeqpacket(bad)).toThrow(message);
  });

  it("has to be there to connect", () => {
    expect(() => connectSeqpacket(path)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ errno: "ENOENT" }) }),
    );
  });

  it("says that the queue is full, and that it may be tried again", () => {
    using listener = listenSeqpacket({ path, backlog: 0 });
    const clients: SeqpacketConnection[] = [];
    const connectMany = (): void => {
      for (let index = 0; index < 10; index++) clients.push(connectSeqpacket(listener.path));
    };
    expect(connectMany).toThrow(expect.objectContaining({ retryable: true }));
    clients.forEach((client) => client.close());
  });
});
