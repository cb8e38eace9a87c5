// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:os";
import { describe, expect, it, test } from "vitest";
import { errnoName, syscallError } from "../src/libc/failure.ts";
import { hasCapability } from "../src/process/capabilities.ts";

describe("syscallError", () => {
  const { EADDRINUSE, EAFNOSUPPORT, EINVAL, EPERM } = constants.errno;
  const context = { syscall: "bind", purpose: "listen on [::]:1" } as const;

  it("says what was wanted, what was called and what came of it", () => {
    expect(syscallError(context, EINVAL)).toMatchObject({
      code: "LINUX_SYSCALL",
      message: "can't listen on [::]:1: bind gave EINVAL",
      details: { syscall: "bind", errno: "EINVAL" },
      retryable: false,
    });
    expect(syscallError(context, EADDRINUSE)).toMatchObject({ code: "LINUX_SYSCALL", retryable: true });
  });

  it("names the capability, and whether it is there", () => {
    const error = syscallError({ ...context, capability: "BPF" }, EPERM);
    expect(error).toMatchObject({ code: "LINUX_CAPABILITY_MISSING", details: { capability: "BPF" } });
    expect(error.message).toContain(hasCapability("BPF") ? "not in the user namespace" : "lacks CAP_BPF");
  });

  it("names the missing feature", () => {
    expect(syscallError({ ...context, feature: "IPv6" }, EAFNOSUPPORT)).toMatchObject({
      code: "LINUX_FEATURE_MISSING",
      message: "can't listen on [::]:1: bind gave EAFNOSUPPORT; the kernel has no IPv6",
      details: { feature: "IPv6" },
    });
  });

  test.each([
    [EPERM, "EPERM"],
    [4095, "errno 4095"],
  ])("calls %d %s", (errno, name) => expect(errnoName(errno)).toBe(name));
});
