// SPDX-License-Identifier: Apache-2.0
// Feeds changed real inputs to every parser of foreign bytes and ends with 1 when one throws anything but a typed error:
// `node --conditions=@ambientmesh/source packages/spiffe/fuzz/parsers.ts [seconds per parser] [seed]`.
import { createIntermediate, createRoot } from "@ambientmesh/ca";
import { createTestAuthority } from "@ambientmesh/testkit";
import {
  createCsr,
  identityOf,
  isSpiffeId,
  parseCertificate,
  parseCertificates,
  parseCsr,
  parsePem,
  parseRevocationLists,
  parseSpiffeId,
  parseTrustBundle,
  formatPem,
  spiffeErrors,
  spiffeIdParts,
  svidProblems,
} from "../src/index.ts";
import { decodeAlternativeNames } from "../src/x509/general-names.ts";

const seconds = Number(process.argv[2] ?? 20);
const seed = Number(process.argv[3] ?? Date.now() % 1e9);

/** Mulberry32: small, and the same inputs for the same seed. */
function randomFrom(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
const random = randomFrom(seed);

/** Bytes that mean something in DER and PEM, so that changes get past the first check more often. */
const TELLING = [
  0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x0a, 0x17, 0x2d, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x86, 0xa0, 0xa3,
  0xff,
];

function change(input: Buffer, others: readonly Buffer[]): Buffer {
  let bytes = Buffer.from(input);
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(bytes.length + 1);
    const kind = random(6);
    const other = others[random(others.length)] as Buffer;
    const piece = other.subarray(random(other.length + 1)).subarray(0, random(32));
    if (kind < 2 && at < bytes.length) bytes[at] = TELLING[random(TELLING.length)] as number;
    else if (kind === 2 && at < bytes.length) bytes[at] = random(256);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(16))]);
    else bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + piece.length)]);
  }
  return bytes;
}

const id = "spiffe://cluster.local/ns/default/sa/default";
const direct = await createTestAuthority();
const below = await createTestAuthority({
  material: await createIntermediate(await createRoot("o"), "i", { keyType: "ecdsa-p384" }),
});
const svids = [await direct.svid(id), await below.svid(id)];
const certificates = svids.flatMap(({ certificateChain, trustBundle }) => [...certificateChain, ...trustBundle.roots]);
for (const { certificateChain } of svids) direct.authority.revoke(certificateChain[0]);
const { csrPem } = await createCsr({ id: parseSpiffeId(id) });
const derOf = (pem: string): Buffer => parsePem(pem, { what: "seed" })[0]?.der as Buffer;

interface Target {
  readonly seeds: readonly Buffer[];
  readonly run: (input: Buffer) => unknown;
}

const targets: Readonly<Record<string, Target>> = {
  certificate: {
    seeds: certificates.map(({ der }) => der),
    run: (input) => {
      const certificate = parseCertificate(input);
      identityOf(certificate);
      svidProblems(certificate);
    },
  },
  names: {
    seeds: certificates.flatMap(({ extensions }) => [...extensions.values()].map(({ value }) => value)),
    run: decodeAlternativeNames,
  },
  request: {
    seeds: [derOf(csrPem)],
    run: async (input) => parseCsr(formatPem("CERTIFICATE REQUEST", input)),
  },
  list: { seeds: [derOf(await direct.authority.crl())], run: (input) => parseRevocationLists(input, "fuzz") },
  pem: {
    seeds: [Buffer.from(certificates.map(({ pem }) => pem).join("# between\r\n")), Buffer.from(csrPem)],
    run: (input) => {
      parseCertificates(input, "fuzz");
      parseTrustBundle(input);
    },
  },
  id: {
    seeds: [Buffer.from(id)],
    run: (input) => {
      const text = input.toString("latin1");
      if (isSpiffeId(text)) spiffeIdParts(text);
    },
  },
};

type Outcome = "read" | "refused" | "failed";

async function attempt(name: string, { run }: Target, input: Buffer): Promise<Outcome> {
  try {
    await run(input);
    return "read";
  } catch (error) {
    if (spiffeErrors.is(error)) return "refused";
    process.stderr.write(`${name}: ${String(error)} for ${input.toString("hex")}\n`);
    return "failed";
  }
}

let failures = 0;
for (const [name, target] of Object.entries(targets)) {
  const { seeds } = target;
  const end = performance.now() + seconds * 1000;
  const counts: Record<Outcome, number> = { read: 0, refused: 0, failed: 0 };
  while (performance.now() < end) {
    counts[await attempt(name, target, change(seeds[random(seeds.length)] as Buffer, seeds))]++;
  }
  failures += counts.failed;
  const memory = (process.memoryUsage().rss / 1e6).toFixed(0);
  process.stdout.write(
    `${name.padEnd(12)} ${counts.read} read, ${counts.refused} refused, ${counts.failed} failed, ${memory} MB\n`,
  );
}
process.stdout.write(`seed ${seed}: ${failures} failures\n`);
process.exitCode = failures === 0 ? 0 : 1;
