// SPDX-License-Identifier: Apache-2.0
import type { DeclaredVariable } from "@ambientmesh/core";

const HEADER = `istiod, the control plane of an ambient mesh

Usage:
  istiod discovery [flags]   serves workloads, services, policies and certificates
  istiod translate -f FILE   prints what would be sent for YAML files, without a cluster (translate --help)
  istiod version
  istiod help

Flags of discovery:
`;

/** What `istiod --help` prints. */
export function helpText(flags: readonly DeclaredVariable[]): string {
  const lines = flags.map(({ name, kind, default: value, description }) => {
    const shown = value === "" ? "" : ` (default ${value})`;
    return `  ${name} ${kind}\n        ${description}${shown}\n`;
  });
  return `${HEADER}${lines.join("")}\nEnvironment variables: docs/reference/configuration.md.\n`;
}
