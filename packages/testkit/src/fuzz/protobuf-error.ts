// SPDX-License-Identifier: Apache-2.0

/**
 * True for what protobuf's own reader throws about broken bytes: plain errors of several classes, known by where they
 * come from. Errors of those who called it are not among them.
 */
export function isProtobufError(error: unknown): boolean {
  const frame =
    error instanceof Error ? error.stack?.split("\n").find((line) => /^\s+at .*[/\\]/.test(line)) : undefined;
  return /@bufbuild[/\\]protobuf|node:internal[/\\]encoding/.test(frame ?? "");
}
