// SPDX-License-Identifier: Apache-2.0
import { parsed, shown, unreadable, type Parsed } from "../problem.ts";

/** A Kubernetes service account, whatever the trust domain. */
export interface ServiceAccountName {
  readonly namespace: string;
  readonly name: string;
}

/** "namespace/name", or "name" in the namespace of the policy. */
export function parseServiceAccount(text: string, policyNamespace: string): Parsed<ServiceAccountName> {
  const at = text.indexOf("/");
  const account =
    at < 0 ? { namespace: policyNamespace, name: text } : { namespace: text.slice(0, at), name: text.slice(at + 1) };
  if (text.includes("*")) return unreadable(`${shown(text)} contains "*"; service accounts are compared as they are`);
  return checkServiceAccount(account);
}

export function checkServiceAccount(account: ServiceAccountName): Parsed<ServiceAccountName> {
  const { namespace, name } = account;
  const isWrong = namespace === "" || name === "" || namespace.includes("/") || name.includes("/");
  if (!isWrong) return parsed(account);
  return unreadable(`${shown(`${namespace}/${name}`)} is not a namespace and the name of a service account`);
}
