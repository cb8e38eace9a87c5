// SPDX-License-Identifier: Apache-2.0
// How many certificates one core signs: `node --conditions=@ambientmesh/source packages/ca/bench/issue.ts [seconds]`.
// CPU time of the whole process (thread pool included) per certificate, with 16 requests on their way, as a control plane sees them.
import { createCsr, parseCsr, parseSpiffeId } from "@ambientmesh/spiffe";
import { CertificateAuthority, createRoot } from "../src/index.ts";

const seconds = Number(process.argv[2] ?? 3);
const CONCURRENCY = 16;
const id = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");
const { csrPem } = await createCsr({ id });

async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  for (let warmUp = 0; warmUp < 200; warmUp++) await work();
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  let count = 0;
  const worker = async (): Promise<void> => {
    for (; performance.now() - start < seconds * 1000; count++) await work();
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  const { user, system } = process.cpuUsage(cpu);
  const perUnit = (user + system) / count;
  const perSecond = (count / (performance.now() - start)) * 1000;
  console.log(
    `${name.padEnd(34)} ${perUnit.toFixed(0).padStart(5)} µs CPU each, ${(1e6 / perUnit).toFixed(0).padStart(5)}/s and core, ${perSecond.toFixed(0).padStart(5)}/s here`,
  );
}

await measure("read and verify a P-256 request", async () => parseCsr(csrPem));
for (const keyType of ["ecdsa-p256", "ecdsa-p384", "rsa-2048"] as const) {
  const authority = new CertificateAuthority(await createRoot("cluster.local", { keyType }));
  await measure(`sign under a root of ${keyType}`, async () => authority.sign({ csrPem, id }));
}
