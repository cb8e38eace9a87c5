// SPDX-License-Identifier: Apache-2.0
export { networkErrors } from "./errors.ts";
export { obstacleToOtherUsers, obstacleToUserNamespaces } from "./ordinary-user.ts";
export { canUseNetns } from "./requirement.ts";
export { startCapture, type Capture, type CaptureOptions } from "./capture.ts";
export {
  buildNetwork,
  type NetworkSpec,
  type TestHost,
  type TestNetwork,
  type TestNode,
  type TestPod,
} from "./network.ts";
