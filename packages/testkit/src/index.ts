// SPDX-License-Identifier: Apache-2.0
/** Time that stands still. */
export { FakeClock } from "./clock/fake-clock.ts";

/** Certificates. */
export { createTestAuthority, testSvid, type TestAuthority } from "./certificates/test-authority.ts";
export { NAME_TAG, deviantCertificate, type Deviation, type TlsFiles } from "./certificates/deviant-certificate.ts";
