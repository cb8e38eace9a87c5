// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";

/** A well-known format of strings. Each test takes time linear in the string. */
export interface Format {
  /** What a value is, after "must be". */
  readonly words: string;
  readonly holds: (value: string) => boolean;
}

const MAX_HOSTNAME = 253;
const MAX_EMAIL = 254;
const MAX_LOCAL_PART = 64;

// RFC 1123, section 2.1: letters, digits and inner hyphens, up to 63 of them.
const LABEL = /^[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?$/;
// RFC 5322, section 3.4.1: dot-atom or quoted-string, without comments and folding.
const ATOMS = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/;
const QUOTED = /^"(?:[ !#-[\]-~]|\\[ -~])*"$/;
const UUID = /^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$/;
// RFC 3986, appendix B; what each part may hold is checked afterwards.
const URI_PARTS = /^(?:([^:/?#]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/;
const SCHEME = /^[A-Za-z][0-9A-Za-z+.-]*$/;
// What the parts may not hold: other characters, and a % that escapes nothing.
const NOT_IN_USER_INFO = /[^\w.~!$&'()*+,;=:%-]|%(?![0-9A-Fa-f]{2})/;
const NOT_IN_NAME = /[^\w.~!$&'()*+,;=%-]|%(?![0-9A-Fa-f]{2})/;
const NOT_IN_PATH = /[^\w.~!$&'()*+,;=:@/%-]|%(?![0-9A-Fa-f]{2})/;
const NOT_IN_QUERY = /[^\w.~!$&'()*+,;=:@/?%-]|%(?![0-9A-Fa-f]{2})/;
const FUTURE_ADDRESS = /^v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+$/i;

// The zone of a scoped address means something on one machine only.
const isIpv6 = (value: string): boolean => !value.includes("%") && isIPv6(value);
const isIp = (value: string): boolean => isIPv4(value) || isIpv6(value);

/** One trailing dot is allowed and counts for the length. */
function isHostname(value: string): boolean {
  if (value.length > MAX_HOSTNAME) return false;
  const name = value.endsWith(".") ? value.slice(0, -1) : value;
  return name.split(".").every((label) => LABEL.test(label));
}

/** An address alone, without a display name. */
function isEmail(value: string): boolean {
  if (value.length > MAX_EMAIL) return false;
  const at = value.lastIndexOf("@");
  const local = value.slice(0, at);
  if (at < 1 || local.length > MAX_LOCAL_PART) return false;
  return (ATOMS.test(local) || QUOTED.test(local)) && isHostname(value.slice(at + 1));
}

function isAuthority(authority: string): boolean {
  const at = authority.lastIndexOf("@");
  const [, host = "", port = ""] = /^(\[[^\]]*\]|[^:]*)(.*)$/s.exec(authority.slice(at + 1)) ?? [];
  const literal = host.startsWith("[") ? host.slice(1, -1) : undefined;
  const isHost = literal === undefined ? !NOT_IN_NAME.test(host) : isIpv6(literal) || FUTURE_ADDRESS.test(literal);
  return isHost && /^(?::\d*)?$/.test(port) && (at === -1 || !NOT_IN_USER_INFO.test(authority.slice(0, at)));
}

function isUriReference(value: string): boolean {
  const [, scheme, authority, path = "", query = "", fragment = ""] = URI_PARTS.exec(value) ?? [];
  if (scheme !== undefined && !SCHEME.test(scheme)) return false;
  if (authority !== undefined && !isAuthority(authority)) return false;
  return !NOT_IN_PATH.test(path) && !NOT_IN_QUERY.test(query) && !NOT_IN_QUERY.test(fragment);
}

const isUri = (value: string): boolean => /^[^:/?#]+:/.test(value) && isUriReference(value);

/** Formats by the rule that asks for them. */
export const FORMATS: Readonly<
  Record<"email" | "hostname" | "ip" | "ipv4" | "ipv6" | "uri" | "uriRef" | "address" | "uuid", Format>
> = {
  email: { words: "an email address", holds: isEmail },
  hostname: { words: "a host name", holds: isHostname },
  ip: { words: "an IP address", holds: isIp },
  ipv4: { words: "an IPv4 address", holds: isIPv4 },
  ipv6: { words: "an IPv6 address", holds: isIpv6 },
  uri: { words: "an absolute URI", holds: isUri },
  uriRef: { words: "a URI or a relative reference", holds: isUriReference },
  address: { words: "a host name or an IP address", holds: (value) => isHostname(value) || isIp(value) },
  uuid: { words: "a UUID", holds: (value) => UUID.test(value) },
};

/** RFC 7230's token, with the colon that HTTP/2 puts before a pseudo-header's name. */
export const HEADER_NAME: Format = {
  words: "the name of an HTTP header",
  holds: (value) => /^:?[\w!#$%&'*+.^`|~-]+$/.test(value),
};

/** RFC 7230's field content: no control character but the tabulator. */
export const HEADER_VALUE: Format = {
  words: "the value of an HTTP header",
  // oxlint-disable-next-line no-control-regex -- control characters are what it is about
  holds: (value) => !/[\0-\x08\n-\x1f\x7f]/.test(value),
};

/** What no HTTP/1 header may hold, however lenient its reader is. */
export const HEADER_TEXT: Format = {
  words: "without NUL, CR and LF",
  // oxlint-disable-next-line no-control-regex -- control characters are what it is about
  holds: (value) => !/[\0\n\r]/.test(value),
};
