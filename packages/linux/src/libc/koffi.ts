// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import type * as koffiModule from "koffi";
import { messageOf } from "@ambientmesh/core";
import { linuxErrors } from "../errors.ts";

/** The part of koffi this package uses. */
export type Koffi = Pick<typeof koffiModule, "alloc" | "errno" | "free" | "load" | "node" | "view">;

/** CPUs whose kernel interface this package's numbers and structures match: 64 bits, little endian, asm-generic. */
const ARCHITECTURES: ReadonlySet<string> = new Set(["arm64", "loong64", "riscv64", "x64"]);

let loaded: Koffi | undefined;

/**
 * koffi, loaded at the first call and not at import, so that programs which only share code with this package
 * start on every platform.
 * @throws MeshError LINUX_UNSUPPORTED
 */
export function koffi(): Koffi {
  loaded ??= loadKoffi();
  return loaded;
}

function loadKoffi(): Koffi {
  if (process.platform !== "linux" || !ARCHITECTURES.has(process.arch)) {
    throw linuxErrors.create(
      "LINUX_UNSUPPORTED",
      `system calls are made on linux-${[...ARCHITECTURES].join(", linux-")} only, and this is ${process.platform}-${process.arch}`,
    );
  }
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (error) {
    throw linuxErrors.create(
      "LINUX_UNSUPPORTED",
      `koffi, which makes the system calls, can't be loaded on linux-${process.arch}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
