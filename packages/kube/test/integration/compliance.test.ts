// SPDX-License-Identifier: Apache-2.0
// Against a real API server: KUBE_COMPLIANCE_KUBECONFIG=/path/to/kubeconfig npx vitest run packages/kube/test/integration/compliance.test.ts
// KUBE_COMPLIANCE_CONTROLLERS=false where no controller manager runs.
import { describe } from "vitest";
import { apiUnderTest } from "../compliance/api-under-test.ts";
import { describeCompliance } from "../compliance/suite.ts";
import { listenLocal, testTls } from "../support/tls-local.ts";

describe("the local API server", () => {
  describeCompliance(async () => {
    const local = await listenLocal();
    const api = await apiUnderTest(
      { kind: "server", server: local.url, ca: testTls.cert, token: local.server.adminToken },
      true,
    );
    return {
      ...api,
      forget: () => local.server.compact(),
      async [Symbol.asyncDispose]() {
        await api[Symbol.asyncDispose]();
        await local[Symbol.asyncDispose]();
      },
    };
  });
});

const kubeconfig = process.env["KUBE_COMPLIANCE_KUBECONFIG"];

describe.runIf(kubeconfig !== undefined)("a real API server", () => {
  const hasControllers = process.env["KUBE_COMPLIANCE_CONTROLLERS"] !== "false";
  describeCompliance(() => apiUnderTest({ kind: "kubeconfig", path: kubeconfig ?? "" }, hasControllers));
});
