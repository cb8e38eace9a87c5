// SPDX-License-Identifier: Apache-2.0
import type { JwtRule, RequestAuthentication } from "@ambientmesh/api/istio";
import { Findings, checkAttachment, type Finding } from "@ambientmesh/authz";

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Members of a JSON Web Key that only its owner may know (RFC 7518, section 6). */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "k"] as const;

/** Checks a RequestAuthentication (rules of Istio 1.31). */
export function validateRequestAuthentication({ spec = {} }: RequestAuthentication): readonly Finding[] {
  const findings = new Findings();
  checkAttachment(spec, findings);
  for (const [at, rule] of (spec.jwtRules ?? []).entries()) checkRule(rule, `spec.jwtRules[${at}]`, findings);
  return findings.list;
}

function checkRule(rule: JwtRule, path: string, findings: Findings): void {
  const uri = rule.jwksUri ?? rule.jwks_uri;
  const given = [uri, rule.jwks].filter((value) => value !== undefined && value !== "");
  if ((rule.issuer ?? "") === "" && given.length === 0) findings.error(path, "needs an issuer or a jwksUri");
  if (given.length > 1) findings.error(path, "only one of jwks and jwksUri may be set");
  if (uri !== undefined && !isHttp(uri)) findings.error(`${path}.jwksUri`, `"${uri}" is no http or https URI`);
  if (rule.jwks !== undefined) checkKeys(rule.jwks, `${path}.jwks`, findings);
  for (const [at, { name }] of (rule.fromHeaders ?? []).entries()) {
    checkHeader(name, `${path}.fromHeaders[${at}].name`, findings);
  }
  for (const [at, { header }] of (rule.outputClaimToHeaders ?? []).entries()) {
    checkHeader(header, `${path}.outputClaimToHeaders[${at}].header`, findings);
  }
  if (rule.outputPayloadToHeader !== undefined && rule.outputPayloadToHeader !== "") {
    checkHeader(rule.outputPayloadToHeader, `${path}.outputPayloadToHeader`, findings);
  }
}

function isHttp(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return protocol === "http:" || protocol === "https:";
}

function checkHeader(name: string, path: string, findings: Findings): void {
  if (!HEADER_NAME.test(name)) findings.error(path, `"${name}" is no name of a header`);
}

function checkKeys(text: string, path: string, findings: Findings): void {
  const keys = keysOf(text);
  if (!keys) {
    findings.error(path, "is no JSON Web Key Set: an object with the list `keys`");
    return;
  }
  if (keys.some((key) => PRIVATE_MEMBERS.some((member) => Object.hasOwn(key, member)))) {
    findings.warning(path, "holds private keys; everybody who can read this object can sign tokens");
  }
}

function keysOf(text: string): readonly object[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) && keys.every((key) => typeof key === "object" && key !== null) ? keys : undefined;
  } catch {
    // The text is what is judged: not being JSON is an answer.
    return undefined;
  }
}
