// SPDX-License-Identifier: Apache-2.0
// Run by `npm run e2e:envoy`. Needs Python 3 and PyPI, or ENVOY_PATH; without them it is skipped unless MESH_REQUIRE_ROOT=1.
import { createServer } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ALLOWED_DIFFERENCES } from "./allowed-differences.ts";
import { startEnvoy, startOurs, type Engine } from "./engines.ts";
import { installEnvoy } from "./install.ts";
import { NO_LINE, observe } from "./observe.ts";
import { bootstrapOf } from "./scenario.ts";
import { SCENARIOS } from "./cases/index.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const allowed = new Set(Object.values(ALLOWED_DIFFERENCES).flat());
const program = installEnvoy();
const isRequired = process.env["MESH_REQUIRE_ROOT"] === "1";
if (program.kind === "missing" && isRequired) throw new Error(`no Envoy to compare with: ${program.why}`);
const title =
  program.kind === "missing" ? `skipped, there is no Envoy to compare with: ${program.why}` : "same as Envoy";

describe.skipIf(program.kind === "missing")(title, () => {
  const stack = new AsyncDisposableStack();
  const apps: Upstream[] = [];
  let envoy: Engine;
  let ours: Engine;

  beforeAll(async () => {
    const [one, two, h2] = [
      stack.use(await startUpstream("one", "http1")),
      stack.use(await startUpstream("two", "http1")),
      stack.use(await startUpstream("h2", "http2")),
    ];
    apps.push(one, two, h2);
    const ports = { one: one.port, two: two.port, h2: h2.port, dead: await unusedPort() };
    const bootstrap = bootstrapOf(SCENARIOS, ports);
    envoy = stack.use(await startEnvoy(program.kind === "found" ? program.path : "", bootstrap));
    ours = stack.use(await startOurs(bootstrap));
  });
  afterAll(() => stack.disposeAsync());

  test("there are few differences, and each is still one of a case", () => {
    expect(Object.keys(ALLOWED_DIFFERENCES).length).toBeLessThanOrEqual(5);
    const names = SCENARIOS.flatMap((scenario) => scenario.cases.map((one) => `${scenario.name} / ${one.name}`));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining([...allowed]));
  });

  describe.each(SCENARIOS)("$name", ({ name, cases }) => {
    test.for(cases.filter((one) => !allowed.has(`${name} / ${one.name}`)))("$name", async (one) => {
      const [theirs, own] = await Promise.all([observe(envoy, name, one, apps), observe(ours, name, one, apps)]);
      // Envoy is silent about what its codecs refuse, ours is not.
      expect(theirs.log === NO_LINE ? { ...own, log: NO_LINE } : own).toEqual(theirs);
    });
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" ? (address?.port ?? 1) : 1;
}
