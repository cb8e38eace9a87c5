// SPDX-License-Identifier: Apache-2.0
import type {
  AuthorizationPolicySpec,
  MtlsMode,
  PeerAuthenticationSpec,
  PolicyCondition,
  PolicyOperation,
  PolicyRule,
  PolicySource,
} from "../policy.ts";
import type { JwtRule, RequestAuthenticationSpec } from "../request-authentication.ts";
import { selector, targetRef, targetRefs } from "./attachment.ts";
import {
  duration,
  fields,
  filledText,
  filledTexts,
  flag,
  limited,
  listOf,
  mapOf,
  oneOf,
  text,
  texts,
  type FieldSchema,
} from "./field-schema.ts";

const MAX_RULES = 512;
const MAX_JWT_RULES = 4096;
const MAX_URI_LENGTH = 2048;
const serviceAccounts = listOf(limited(text, { maxLength: 320 }), { maxItems: 16 });

const source = fields<PolicySource>({
  principals: texts,
  notPrincipals: texts,
  requestPrincipals: texts,
  notRequestPrincipals: texts,
  namespaces: texts,
  notNamespaces: texts,
  serviceAccounts,
  notServiceAccounts: serviceAccounts,
  ipBlocks: texts,
  notIpBlocks: texts,
  remoteIpBlocks: texts,
  notRemoteIpBlocks: texts,
  trustDomains: texts,
  notTrustDomains: texts,
});

const operation = fields<PolicyOperation>({
  hosts: texts,
  notHosts: texts,
  ports: texts,
  notPorts: texts,
  methods: texts,
  notMethods: texts,
  paths: texts,
  notPaths: texts,
});

const rule = fields<PolicyRule>({
  from: listOf(fields<{ readonly source?: PolicySource }>({ source }), { maxItems: MAX_RULES }),
  to: listOf(fields<{ readonly operation?: PolicyOperation }>({ operation })),
  when: listOf(fields<PolicyCondition>({ key: text, values: texts, notValues: texts }, "key")),
});

export const authorizationPolicySpec: FieldSchema<AuthorizationPolicySpec> = fields<AuthorizationPolicySpec>({
  selector,
  targetRef,
  targetRefs,
  action: oneOf("ALLOW", "DENY", "AUDIT", "CUSTOM"),
  provider: fields<{ readonly name?: string }>({ name: text }),
  rules: listOf(rule, { maxItems: MAX_RULES }),
});

const mtls = fields<{ readonly mode?: MtlsMode }>({ mode: oneOf("UNSET", "DISABLE", "PERMISSIVE", "STRICT") });

export const peerAuthenticationSpec: FieldSchema<PeerAuthenticationSpec> = fields<PeerAuthenticationSpec>({
  selector,
  mtls,
  portLevelMtls: mapOf(mtls, { minProperties: 1 }),
});

const uri = limited(filledText, { maxLength: MAX_URI_LENGTH });

const jwtRule = fields<JwtRule>({
  issuer: filledText,
  audiences: filledTexts,
  jwksUri: uri,
  jwks_uri: uri,
  jwks: text,
  fromHeaders: listOf(
    fields<{ readonly name: string; readonly prefix?: string }>({ name: filledText, prefix: text }, "name"),
  ),
  fromParams: filledTexts,
  fromCookies: filledTexts,
  outputPayloadToHeader: text,
  outputClaimToHeaders: listOf(
    fields<{ readonly header: string; readonly claim: string }>(
      { header: limited(filledText, { pattern: "^[-_A-Za-z0-9]+$" }), claim: filledText },
      "header",
      "claim",
    ),
  ),
  forwardOriginalToken: flag,
  spaceDelimitedClaims: limited(filledTexts, { maxItems: 64 }),
  timeout: duration,
});

export const requestAuthenticationSpec: FieldSchema<RequestAuthenticationSpec> = fields<RequestAuthenticationSpec>({
  selector,
  targetRef,
  targetRefs,
  jwtRules: listOf(jwtRule, { maxItems: MAX_JWT_RULES }),
});
