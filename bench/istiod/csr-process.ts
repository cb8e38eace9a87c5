// SPDX-License-Identifier: Apache-2.0
// A node proxy that asks for certificates of its pods as fast as it gets them: fork(this file, [address, file of root, seconds]).
// It tells its parent when it is warm, and then how many it got.
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { IstioCertificateRequestSchema, type IstioCertificateResponse } from "@ambientmesh/api/ca";
import { certificateServiceDefinition } from "@ambientmesh/ca/service";
import { createCsr, parseSpiffeId } from "@ambientmesh/spiffe";
import { ChannelCredentials, Client, Metadata } from "@grpc/grpc-js";

const AT_ONCE = 32;
/** Until the compiler has seen everything often enough. */
const WARM_UP_MS = 3000;
const [address = "", rootFile = "", secondsText = "5"] = process.argv.slice(2);
const identity = "spiffe://cluster.local/ns/ns0/sa/default";
const { csrPem } = await createCsr({ id: parseSpiffeId(identity) });
const { path, requestSerialize, responseDeserialize } = certificateServiceDefinition.createCertificate;
const name = "istiod.istio-system.svc";
const client = new Client(address, ChannelCredentials.createSsl(readFileSync(rootFile)), {
  "grpc.ssl_target_name_override": name,
  "grpc.default_authority": name,
});
const metadata = new Metadata();
metadata.set("authorization", "Bearer a.b.c");
metadata.set("clusterid", "Kubernetes");
const request = create(IstioCertificateRequestSchema, {
  csr: csrPem,
  validityDuration: 3600n,
  metadata: { ImpersonatedIdentity: identity },
});

function ask(): Promise<IstioCertificateResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, answer) => {
      if (answer) resolve(answer);
      else reject(error ?? new Error("no answer"));
    });
  });
}

/** Asks again and again, many at a time. @returns how many certificates came */
async function askFor(milliseconds: number): Promise<number> {
  const endAt = performance.now() + milliseconds;
  let signed = 0;
  const askAgain = async (): Promise<void> => {
    while (performance.now() < endAt) {
      await ask();
      signed++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, askAgain));
  return signed;
}

await askFor(WARM_UP_MS);
process.send?.("warm");
process.send?.({ signed: await askFor(Number(secondsText) * 1000) });
client.close();
