// SPDX-License-Identifier: Apache-2.0
/** Time that stands still. */
export { FakeClock } from "./clock/fake-clock.ts";

/** Certificates. */
export { createTestAuthority, testSvid, type TestAuthority } from "./certificates/test-authority.ts";
export { NAME_TAG, deviantCertificate, type Deviation, type TlsFiles } from "./certificates/deviant-certificate.ts";

/** Networks of namespaces. */
export {
  buildNetwork,
  canUseNetns,
  networkErrors,
  obstacleToOtherUsers,
  obstacleToUserNamespaces,
  startCapture,
  type Capture,
  type CaptureOptions,
  type NetworkSpec,
  type TestHost,
  type TestNetwork,
  type TestNode,
  type TestPod,
} from "./netns/index.ts";

/** Changed inputs for everything that reads foreign bytes; `npm run fuzz` runs the targets. */
export { mutate, type Material } from "./fuzz/mutate.ts";
export { randomFrom, seedOf, type Random } from "./fuzz/random.ts";
export { isProtobufError } from "./fuzz/protobuf-error.ts";
export { sizeOf } from "./fuzz/size-of.ts";
export type { FuzzOutcome, FuzzTarget, FuzzTargets } from "./fuzz/target.ts";
