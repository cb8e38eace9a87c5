// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { identityOf, parseCertificates, parseCsr, type SpiffeId } from "@ambientmesh/spiffe";
import { caErrors } from "../errors.ts";

/** What is wrong with the leaf, undefined if nothing is. */
async function problemOf(leafPem: string, csrPem: string, id: SpiffeId): Promise<string | undefined> {
  const [leaf] = parseCertificates(leafPem, "the certificate");
  if (leaf === undefined) return "it has no certificate";
  const identity = identityOf(leaf);
  if (identity.kind === "invalid") return identity.problem;
  if (identity.id !== id) return `it is for ${identity.id}`;
  const { publicKeyDer } = await parseCsr(csrPem);
  return leaf.publicKey.equals(publicKeyDer) ? undefined : "it is for another key";
}

/**
 * Refuses an answer that is not for this id and key, so that a confused service never gives one workload another's name.
 * @throws MeshError CA_ANSWER_INVALID
 */
export async function checkAnswer(chain: readonly string[], csrPem: string, id: SpiffeId): Promise<void> {
  const [leafPem] = chain;
  const invalid = (problem: string, cause?: unknown): Error =>
    caErrors.create("CA_ANSWER_INVALID", `the answer for ${id} can't be used: ${problem}`, { cause });
  if (leafPem === undefined || chain.length < 2) {
    throw invalid(`it has ${chain.length} elements; the leaf and the roots are needed`);
  }
  let problem: string | undefined;
  try {
    problem = await problemOf(leafPem, csrPem, id);
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
  if (problem !== undefined) throw invalid(problem);
}
