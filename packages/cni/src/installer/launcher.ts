// SPDX-License-Identifier: Apache-2.0

/** What a launcher becomes. All paths are absolute and the node's. */
export interface LaunchCommand {
  /** The dynamic loader that came along, so that the host's libraries don't matter. */
  readonly program: string;
  readonly args: readonly string[];
}

/** Written by a launcher whose runtime is gone, as the CNI specification asks. The pod does not start. */
const RUNTIME_MISSING = `${JSON.stringify({
  cniVersion: "1.0.0",
  code: 999,
  msg: "istio-cni: the plugin's runtime is missing on this node; its agent puts it back",
  details: "CNI_PLUGIN_NOT_BUILT",
})}\n`;

/**
 * The program that container runtimes call: it replaces itself by another command, with its own environment and standard
 * input. On x86-64 an executable that needs neither a shell nor a library, since not every node has them; elsewhere a
 * script for /bin/sh.
 */
export function launcher(command: LaunchCommand, architecture: string): Buffer {
  return architecture === "x64" ? elfLauncher(command) : scriptLauncher(command);
}

function scriptLauncher({ program, args }: LaunchCommand): Buffer {
  const quoted = [program, ...args].map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
  return Buffer.from(`#!/bin/sh\nexec ${quoted}\n`);
}

// elf(5): a file header, one segment that holds everything, then code, pointers and texts.
const BASE = 0x40_0000;
const FILE_HEADER_BYTES = 64;
const SEGMENT_HEADER_BYTES = 56;
const CODE_AT = FILE_HEADER_BYTES + SEGMENT_HEADER_BYTES;

function elfLauncher({ program, args }: LaunchCommand): Buffer {
  const words = [program, ...args];
  const codeBytes = code({ path: 0, argv: 0, message: 0 }).length;
  const pointersAt = (CODE_AT + codeBytes + 7) & ~7;
  const texts = Buffer.from([...words, RUNTIME_MISSING].map((word) => `${word}\0`).join(""));
  const textsAt = pointersAt + 8 * (words.length + 1);
  const pointers = Buffer.alloc(textsAt - pointersAt);
  let textAt = textsAt;
  for (const [index, word] of words.entries()) {
    pointers.writeBigUInt64LE(BigInt(BASE + textAt), 8 * index);
    textAt += Buffer.byteLength(word) + 1;
  }
  const addresses = { path: BASE + textsAt, argv: BASE + pointersAt, message: BASE + textAt };
  const file = Buffer.alloc(textsAt + texts.length);
  headers(file.length).copy(file);
  code(addresses).copy(file, CODE_AT);
  pointers.copy(file, pointersAt);
  texts.copy(file, textsAt);
  return file;
}

function headers(size: number): Buffer {
  const bytes = Buffer.alloc(CODE_AT);
  // 64 bit, little endian, version 1.
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(bytes);
  bytes.writeUInt16LE(2, 16); // an executable at fixed addresses
  bytes.writeUInt16LE(62, 18); // x86-64
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BigInt(BASE + CODE_AT), 24); // entry
  bytes.writeBigUInt64LE(BigInt(FILE_HEADER_BYTES), 32);
  bytes.writeUInt16LE(FILE_HEADER_BYTES, 52);
  bytes.writeUInt16LE(SEGMENT_HEADER_BYTES, 54);
  bytes.writeUInt16LE(1, 56); // segments
  const segment = FILE_HEADER_BYTES;
  bytes.writeUInt32LE(1, segment); // to be loaded
  bytes.writeUInt32LE(5, segment + 4); // readable, executable
  bytes.writeBigUInt64LE(BigInt(BASE), segment + 16);
  bytes.writeBigUInt64LE(BigInt(BASE), segment + 24);
  bytes.writeBigUInt64LE(BigInt(size), segment + 32);
  bytes.writeBigUInt64LE(BigInt(size), segment + 40);
  bytes.writeBigUInt64LE(0x1000n, segment + 48);
  return bytes;
}

/** execve(path, argv, own environment); if that fails write(1, message), exit(1). */
function code(at: { readonly path: number; readonly argv: number; readonly message: number }): Buffer {
  const instruction = (opcode: number, value: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt8(opcode);
    bytes.writeUInt32LE(value, 1);
    return bytes;
  };
  const [EAX, EDX, ESI, EDI] = [0xb8, 0xba, 0xbe, 0xbf] as const;
  const SYSCALL = Buffer.of(0x0f, 0x05);
  return Buffer.concat([
    Buffer.of(0x48, 0x8b, 0x04, 0x24), // rax = argc
    Buffer.of(0x48, 0x8d, 0x54, 0xc4, 0x10), // rdx = what follows the arguments: the environment
    instruction(EDI, at.path),
    instruction(ESI, at.argv),
    instruction(EAX, 59),
    SYSCALL,
    instruction(EDI, 1),
    instruction(ESI, at.message),
    instruction(EDX, Buffer.byteLength(RUNTIME_MISSING)),
    instruction(EAX, 1),
    SYSCALL,
    instruction(EDI, 1),
    instruction(EAX, 60),
    SYSCALL,
  ]);
}
