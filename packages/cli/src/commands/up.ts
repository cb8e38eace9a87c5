// SPDX-License-Identifier: Apache-2.0
import { parseDurationMs, type Clock } from "@ambientmesh/core";
import { LogLevels, createLogOutput, createLogger } from "@ambientmesh/telemetry";
import type { CliConfig } from "../config.ts";
import { cliErrors } from "../errors.ts";
import type { ComponentOptions } from "../local/cluster/components.ts";
import type { ResolveModule } from "../local/cluster/programs.ts";
import { findFooting } from "../local/footing.ts";
import { inheritedSockets, ownSockets } from "../local/host-sockets.ts";
import type { RunningMesh } from "../local/running-mesh.ts";
import { removeLeftovers } from "../local/run-directory/leftovers.ts";
import { Place } from "../local/run-directory/place.ts";
import { readRecord } from "../local/run-directory/record.ts";
import { startMesh } from "../local/start-mesh.ts";
import type { StoryReport } from "../story/report.ts";
import { tellStory } from "../story/story.ts";
import { ProblemTeller } from "./feed-problems.ts";
import { openForwards, socketsOfForwards } from "./forwards.ts";
import { helpText } from "./help-text.ts";
import { runInside } from "./run-inside.ts";
import { listenForStop, type StopSignals } from "./stop-signals.ts";
import { Progress, type Terminal } from "./terminal.ts";
import { checkedOptions, type UpFlags, type UpOptions } from "./up-options.ts";

export interface UpDeps {
  readonly config: CliConfig;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly resolve: ResolveModule;
  /** Command line that runs this program with the same arguments again. */
  readonly self: readonly string[];
}

const READY_WITHIN_MS = 60_000;
const EXIT = { ok: 0, failed: 1, interrupted: 130 } as const;

/** Runs a mesh until it is asked to end, or with `--story --once` until its story is told. @returns the exit code */
export async function up(folder: string, flags: UpFlags, deps: UpDeps): Promise<number> {
  const options = checkedOptions(folder, flags);
  const { config, terminal, env, self } = deps;
  const footing = await findFooting(config);
  if (footing.kind === "inside") {
    terminal.tell("This user may not change the machine's network: the mesh gets namespaces of its own.");
    const sockets = [options.api, ...socketsOfForwards(options.forwards)];
    return runInside({ ...footing, self, env, sockets });
  }
  const place = new Place(footing.root, flags.name, footing.seclusion);
  const progress = new Progress(terminal, deps.clock);
  let forced: Promise<number> | undefined;
  using stop = listenForStop(deps.clock, () => {
    forced ??= forceEnd(place, deps);
  });
  try {
    const code = await runMesh(place, options, { ...deps, progress, stop });
    progress.tell("everything of the mesh is removed");
    return await (forced ?? code);
  } catch (error) {
    if (forced !== undefined) return await forced;
    const wasAsked = stop.signal.aborted && !cliErrors.is(error, "CLI_LEFTOVERS");
    if (!wasAsked) throw error;
    progress.tell(`ended by ${stop.received} before everything was up; everything is removed`);
    return EXIT.interrupted;
  }
}

interface RunDeps extends UpDeps {
  readonly progress: Progress;
  readonly stop: StopSignals;
}

async function runMesh(place: Place, options: UpOptions, deps: RunDeps): Promise<number> {
  const { flags, folder, api } = options;
  const { config, env, terminal, clock, progress, stop } = deps;
  const problems = new ProblemTeller(terminal);
  using inherited = config.inheritedSockets === undefined ? undefined : inheritedSockets(config.inheritedSockets);
  const sockets = inherited ?? ownSockets;
  await using stack = new AsyncDisposableStack();
  const output = stack.use(createLogOutput({}, { fd: 2, format: "plain" }));
  const logger = createLogger({ output, levels: new LogLevels(config.logFilter) }, { scope: "ambientctl" });
  const mesh = stack.use(
    await startMesh(
      {
        place,
        folder,
        api,
        components: flags.mesh ? componentOptions(options, deps) : undefined,
        environment: { ...config.inherited, PATH: config.searchPath },
        machineEnvironment: env,
      },
      {
        clock,
        logger,
        sockets,
        onProgress: (text) => progress.tell(text),
        onProblems: (found) => problems.tell(found),
      },
      stop.signal,
    ),
  );
  // Told when everything else has been said.
  stack.defer(() => progress.tell("the mesh is being stopped"));
  const unready = await untilReady(mesh, clock, stop.signal);
  if (unready.length === 0) progress.tell("all pods are ready");
  else terminal.tell(`not ready after ${READY_WITHIN_MS / 1000} s:\n${unready.map((text) => `  ${text}`).join("\n")}`);
  const forwards = await openForwards(stack, mesh, options.forwards, { clock, logger, sockets });
  inherited?.[Symbol.dispose]();
  const report = flags.story === true ? await story(mesh, { ...options, unready }, deps) : undefined;
  if (report !== undefined && flags.json === true) terminal.result(JSON.stringify(report));
  if (flags.once !== true) {
    terminal.tell(helpText({ mesh, name: flags.name, folder, forwards, isStoryTold: report !== undefined }));
    await untilAborted(stop.signal);
  }
  return report === undefined || report.ok ? EXIT.ok : EXIT.failed;
}

function componentOptions(
  { flags, secretTtl }: UpOptions,
  { resolve: resolveModule, config }: UpDeps,
): ComponentOptions {
  return { resolve: resolveModule, secretTtl, logLevel: flags.logLevel, searchPath: config.searchPath };
}

async function untilReady(mesh: RunningMesh, clock: Clock, signal: AbortSignal): Promise<readonly string[]> {
  const deadlineMs = clock.monotonicMs() + READY_WITHIN_MS;
  for (;;) {
    const unready = await mesh.unready();
    if (unready.length === 0 || clock.monotonicMs() > deadlineMs) return unready;
    await clock.sleep(100, signal);
  }
}

async function story(
  mesh: RunningMesh,
  options: UpOptions & { readonly unready: readonly string[] },
  { terminal, stop }: RunDeps,
): Promise<StoryReport> {
  if (options.unready.length > 0) {
    return { ok: false, steps: [{ name: "the mesh comes up", ok: false, observed: options.unready.join("; ") }] };
  }
  const context = { mesh, certificateTtlSeconds: parseDurationMs(options.secretTtl) / 1000 };
  const told = tellStory(context, ({ name, ok, observed }) => {
    if (!stop.signal.aborted) terminal.tell(`${ok ? "ok    " : "FAILED"} ${name}\n         ${observed}`);
  });
  const stopped = untilAborted(stop.signal).then(() => {
    throw cliErrors.create("CLI_STORY_FAILED", "the story was ended before it was told");
  });
  return Promise.race([told, stopped]);
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** The user has asked twice: nothing is waited for any more. The process ends, unless the orderly way was faster after all. */
async function forceEnd(place: Place, { clock, terminal }: UpDeps): Promise<number> {
  terminal.tell("ending at once");
  const record = readRecord(place.record);
  const left = record === undefined ? [] : await removeLeftovers(place, record, { clock });
  for (const text of left) terminal.tell(`left: ${text}`);
  return process.exit(EXIT.interrupted);
}
