// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { messageOf } from "@ambientmesh/core";
import { caErrors } from "../errors.ts";

/** A token, or the file that holds the current one. */
export type TokenSource = { readonly file: string } | { readonly value: string };

const PRINTABLE = /^[\x21-\x7e]+$/;

/**
 * The value for the `authorization` header.
 * @throws MeshError CA_CREDENTIALS_UNREADABLE, which never shows the token
 */
export async function bearerToken(source: TokenSource): Promise<string> {
  const name = "file" in source ? `the token in ${source.file}` : "the token";
  const unreadable = (problem: string, cause?: unknown): Error =>
    caErrors.create("CA_CREDENTIALS_UNREADABLE", `${name} can't be used: ${problem}`, { cause, retryable: true });
  let text: string;
  try {
    text = "file" in source ? await readFile(source.file, "utf8") : source.value;
  } catch (error) {
    throw unreadable(messageOf(error), error);
  }
  const token = text.trim();
  if (!PRINTABLE.test(token)) throw unreadable("it is empty or holds blanks or control characters");
  return `Bearer ${token}`;
}
