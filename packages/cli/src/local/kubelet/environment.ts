// SPDX-License-Identifier: Apache-2.0
import type { Container } from "@ambientmesh/api/kubernetes";
import { fieldValue, type PodFacts } from "./field-paths.ts";

/** What a container is started with. */
export interface ContainerCommand {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

const REFERENCE = /\$\$|\$\((?<name>[A-Za-z_.-][A-Za-z0-9_.-]*)\)/g;

/**
 * Environment and command line of a container: its own variables over `base`, with `$(NAME)` replaced by the variables
 * before it, as Kubernetes does (`$$` is a dollar; an unknown name stays as it is).
 */
export function commandOf(
  container: Container,
  facts: PodFacts,
  base: Readonly<Record<string, string>>,
): ContainerCommand {
  const env: Record<string, string> = { ...base };
  for (const { name, value = "", valueFrom } of container.env ?? []) {
    const path = valueFrom?.fieldRef?.fieldPath;
    env[name] = path === undefined ? expand(value, env) : fieldValue(path, facts);
  }
  const [program = "", ...rest] = [...(container.command ?? []), ...(container.args ?? [])];
  return { argv: [expand(program, env), ...rest.map((word) => expand(word, env))], env };
}

/** Replaces `$(NAME)` by the variable's value. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replaceAll(REFERENCE, (match, name: string | undefined) => {
    if (name === undefined) return "$";
    return Object.hasOwn(env, name) ? (env[name] as string) : match;
  });
}
