// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vitest/config";

const conditions = ["@ambientmesh/source"];
const project = (name: string, include: string[], testTimeout: number, isSerial = false) => ({
  extends: true as const,
  test: { name, include, testTimeout, hookTimeout: testTimeout, ...(isSerial && { fileParallelism: false }) },
});

// Four tiers by folder: unit (pure), integration (real sockets on port 0), netns (root), e2e (whole programs).
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    pool: "forks",
    execArgv: ["--conditions=@ambientmesh/source"],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/*/test/**/*.test.ts", "tools/**/*.test.ts"],
          exclude: ["**/test/integration/**", "**/test/netns/**", "**/node_modules/**"],
          testTimeout: 10_000,
        },
      },
      project("integration", ["packages/*/test/integration/**/*.test.ts"], 30_000),
      project("netns", ["packages/*/test/netns/**/*.test.ts"], 60_000, true),
      project("e2e", ["e2e/{envoy,packages}/**/*.test.ts"], 600_000, true),
      // Builds Istio's own programs, which takes long: npm run e2e:istio.
      project("istio", ["e2e/istio/**/*.test.ts"], 600_000, true),
    ],
  },
});
