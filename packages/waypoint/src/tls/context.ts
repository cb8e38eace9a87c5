// SPDX-License-Identifier: Apache-2.0
import { createSecureContext, type SecureContextOptions, type SecureVersion, type TLSSocket } from "node:tls";
import type { DataSource } from "@ambientmesh/api/envoy/core";
import {
  SubjectAltNameMatcher_SanType as SanType,
  TlsParameters_TlsProtocol as Version,
  type CertificateValidationContext,
  type CommonTlsContext,
  type SubjectAltNameMatcher,
} from "@ambientmesh/api/envoy/transport-sockets";
import { messageOf } from "@ambientmesh/core";
import { parseCertificate } from "@ambientmesh/spiffe";
import { invalid, unsupported } from "../config/refusal.ts";
import { compileStringMatcher } from "../match/string-matcher.ts";

/** What both ends of TLS have in common. */
export interface TlsSettings {
  /** Certificate, key, roots and versions. */
  readonly material: SecureContextOptions;
  /** The peer's certificate has to chain to a root that was given. */
  readonly verifiesPeer: boolean;
  /** True for peers whose certificate has a name that is wanted. */
  readonly acceptsPeer: (socket: TLSSocket) => boolean;
  readonly alpnProtocols: readonly string[];
}

const VERSIONS: Readonly<Record<number, SecureVersion | undefined>> = {
  [Version.TLSv1_2]: "TLSv1.2",
  [Version.TLSv1_3]: "TLSv1.3",
};

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileTls(common: CommonTlsContext | undefined, path: string): TlsSettings {
  const validation = common?.validationContextType;
  const rules = validation?.case === "validationContext" ? validation.value : undefined;
  const roots = textOf(rules?.trustedCa);
  if (rules && roots === undefined) throw unsupported(`${path}.validation_context`, "has no trusted_ca");
  const certificates = common?.tlsCertificates ?? [];
  if (certificates.length > 1) throw unsupported(`${path}.tls_certificates[1]`, "is a second one; one is supported");
  const options: SecureContextOptions = {
    ...withText("cert", textOf(certificates[0]?.certificateChain)),
    ...withText("key", textOf(certificates[0]?.privateKey)),
    ca: roots ?? [],
    minVersion: versionOf(common?.tlsParams?.tlsMinimumProtocolVersion, "TLSv1.2", `${path}.tls_params`),
    maxVersion: versionOf(common?.tlsParams?.tlsMaximumProtocolVersion, "TLSv1.3", `${path}.tls_params`),
  };
  return {
    material: checked(options, path),
    verifiesPeer: rules !== undefined,
    acceptsPeer: compileNames(rules, `${path}.validation_context.match_typed_subject_alt_names`),
    alpnProtocols: common?.alpnProtocols ?? [],
  };
}

function withText(name: "cert" | "key", text: string | undefined): SecureContextOptions {
  return text === undefined ? {} : { [name]: text };
}

function checked(options: SecureContextOptions, path: string): SecureContextOptions {
  try {
    createSecureContext(options);
    return options;
  } catch (error) {
    throw invalid(path, `holds no usable certificates: ${messageOf(error)}`);
  }
}

function textOf(source: DataSource | undefined): string | undefined {
  const { specifier } = source ?? {};
  if (specifier?.case === "inlineString") return specifier.value;
  return specifier?.case === "inlineBytes" ? Buffer.from(specifier.value).toString() : undefined;
}

function versionOf(version: Version | undefined, otherwise: SecureVersion, path: string): SecureVersion {
  if (version === undefined || version === Version.TLS_AUTO) return otherwise;
  const found = VERSIONS[version];
  if (!found) throw unsupported(path, "asks for a version before TLS 1.2");
  return found;
}

function compileNames(rules: CertificateValidationContext | undefined, path: string): (socket: TLSSocket) => boolean {
  const matchers = (rules?.matchTypedSubjectAltNames ?? []).map((matcher, index) =>
    compileName(matcher, `${path}[${index}]`),
  );
  if (matchers.length === 0) return () => true;
  return (socket) => {
    const names = peerNames(socket);
    return matchers.some((matches) => matches(names));
  };
}

function compileName({ sanType, matcher }: SubjectAltNameMatcher, path: string): (names: PeerNames) => boolean {
  const test = compileStringMatcher(matcher, `${path}.matcher`);
  if (sanType === SanType.URI) return ({ uris }) => uris.some(test);
  if (sanType === SanType.DNS) return ({ dns }) => dns.some(test);
  throw unsupported(`${path}.san_type`, "has to be URI or DNS");
}

/** Names of a peer's certificate. */
export interface PeerNames {
  readonly isPresent: boolean;
  readonly uris: readonly string[];
  readonly dns: readonly string[];
}

/** What a certificate that was shown, and verified if that was asked for, says of the peer. */
export function peerNames(socket: TLSSocket): PeerNames {
  const raw = socket.getPeerX509Certificate()?.raw;
  if (!raw) return { isPresent: false, uris: [], dns: [] };
  const { uris, dnsNames: dns } = parseCertificate(raw).usage.names;
  return { isPresent: true, uris, dns };
}
