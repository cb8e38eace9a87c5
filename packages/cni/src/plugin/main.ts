#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { env, stdin, stdout } from "node:process";
import { cniErrors } from "../errors.ts";
import { failure, type CniOutput } from "./cni-output.ts";
import { runPlugin } from "./plugin.ts";

const MAX_INPUT_BYTES = 1024 * 1024;

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_INPUT_BYTES) {
      throw cniErrors.create("CNI_PLUGIN_INPUT_UNREADABLE", `more than ${MAX_INPUT_BYTES} bytes were written`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function main(): Promise<CniOutput> {
  try {
    return await runPlugin({ env, stdin: await readInput() });
  } catch (error) {
    return failure(error, "1.1.0");
  }
}

const { exitCode, stdout: text } = await main();
// Written completely before the process ends: a runtime reads a pipe.
stdout.write(text, () => process.exit(exitCode));
