// SPDX-License-Identifier: Apache-2.0

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MAX_NAME = 63;
const MAX_PREFIX = 253;

/** Says what is wrong with a label or annotation key ("prefix/name"), undefined if nothing (Kubernetes, "qualified name"). */
export function labelKeyProblem(key: string): string | undefined {
  const slash = key.indexOf("/");
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && subdomainProblem(prefix) !== undefined) {
    return `has a prefix that ${subdomainProblem(prefix)}`;
  }
  if (name.length > MAX_NAME) return `has a name part of more than ${MAX_NAME} characters`;
  if (!NAME.test(name)) {
    return "must have a name part of letters, digits, '-', '_' and '.' that begins and ends with a letter or digit";
  }
  return undefined;
}

/** Says what is wrong with a label's value, undefined if nothing. Empty is allowed. */
export function labelValueProblem(value: string): string | undefined {
  if (value.length > MAX_NAME) return `is longer than ${MAX_NAME} characters`;
  if (value !== "" && !NAME.test(value)) {
    return "must be letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, or empty";
  }
  return undefined;
}

/** Says what is wrong with a DNS-1123 label ("cart-v1"), undefined if nothing. */
export function dnsLabelProblem(name: string): string | undefined {
  if (name.length > MAX_NAME) return `is longer than ${MAX_NAME} characters`;
  if (!DNS_LABEL.test(name)) {
    return "must be lower case letters, digits and '-', beginning and ending with a letter or digit";
  }
  return undefined;
}

/** Says what is wrong with a DNS-1035 label: as {@link dnsLabelProblem}, and it begins with a letter. */
export function dns1035LabelProblem(name: string): string | undefined {
  return dnsLabelProblem(name) ?? (/^[a-z]/.test(name) ? undefined : "must begin with a lower case letter");
}

/** Says what is wrong with a DNS-1123 subdomain ("a.b-c.d"), undefined if nothing. */
export function subdomainProblem(name: string): string | undefined {
  if (name.length > MAX_PREFIX) return `is longer than ${MAX_PREFIX} characters`;
  if (!DNS_SUBDOMAIN.test(name)) {
    return "must be lower case letters, digits, '-' and '.', with a letter or digit at each end of each part";
  }
  return undefined;
}
