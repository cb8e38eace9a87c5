// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import {
  TaskGroup,
  messageOf,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
  type Service,
} from "@ambientmesh/core";
import type { LocalKube } from "../local-kube.ts";
import type { FeedProblem } from "./feed-problem.ts";
import { FeedState } from "./feed-state.ts";
import { FolderWatch } from "./folder-watch.ts";
import { scanFolder } from "./folder-scan.ts";

/** Settings of a folder feed. */
export interface FolderFeedOptions {
  readonly directory: string;
  /** Owner of the fields that files set. Default "yaml-folder". */
  readonly fieldManager?: string;
  /** Default 1 MiB. */
  readonly maxFileBytes?: number;
  /** Default 1000. */
  readonly maxFiles?: number;
  /** Quiet time after a change before files are read, in ms. Default 100. */
  readonly debounceMs?: number;
  /** Between looks without any sign of a change, in ms. Default 2000. */
  readonly pollMs?: number;
}

/** What a feed is made with. */
export interface FolderFeedDeps {
  readonly server: LocalKube;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Gets everything that is wrong, whenever that changes; an empty list when all is well again. */
  readonly onProblems?: (problems: readonly FeedProblem[]) => void;
}

/** A folder of YAML whose objects live in a local server, and follow each edit. */
export interface FolderFeed extends Service {
  /** What is wrong now. */
  readonly problems: readonly FeedProblem[];
  /** Looks at the folder now; resolves when its changes are in the server. */
  refresh(): Promise<void>;
}

/**
 * Feeds a local server from a folder. `start` resolves when the folder has been applied for the first time, also if it
 * holds problems, and rejects with KUBE_FEED_INVALID when there is no such folder. Disposing leaves the objects in place.
 *
 * Files own what they name: an edit is applied, an object that vanishes is deleted. Changes by others (kubectl) stay
 * until the file's object itself changes. A file that becomes invalid keeps its last good state in force.
 */
export function feedFolder(options: FolderFeedOptions, deps: FolderFeedDeps): FolderFeed {
  return new Feed(options, deps);
}

class Feed implements FolderFeed {
  readonly #options: Required<FolderFeedOptions>;
  readonly #deps: Required<Omit<FolderFeedDeps, "server">>;
  readonly #server: LocalKube;
  readonly #tasks: TaskGroup;
  #state: FeedState | undefined;
  #watch: FolderWatch | undefined;
  #problems: readonly FeedProblem[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(options: FolderFeedOptions, deps: FolderFeedDeps) {
    const { server, clock = systemClock, logger = silentLogger, onProblems = () => {} } = deps;
    this.#options = {
      fieldManager: "yaml-folder",
      maxFileBytes: 1024 * 1024,
      maxFiles: 1000,
      debounceMs: 100,
      pollMs: 2000,
      ...options,
    };
    this.#server = server;
    this.#deps = { clock, logger: logger.child("kube.feed"), onProblems };
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => this.#deps.logger.error("the feed failed", { task, error }),
    });
  }

  get problems(): readonly FeedProblem[] {
    return this.#problems;
  }

  async start(): Promise<void> {
    const { directory, fieldManager, debounceMs, pollMs } = this.#options;
    this.#state = new FeedState(this.#server.objects, fieldManager);
    const limits = { debounceMs, pollMs, maxWaitMs: debounceMs * 10 };
    this.#watch = new FolderWatch(directory, this.#deps.clock, limits, () => this.#onChange());
    try {
      await this.#update();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async refresh(): Promise<void> {
    // One at a time; a failure belongs to the caller it happened to.
    const next = this.#running.then(() => this.#update());
    this.#running = next.catch(() => {});
    await next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    await this.#tasks[Symbol.asyncDispose]();
  }

  #onChange(): void {
    if (this.#tasks.size > 1) return;
    this.#tasks.run("refresh", async () => {
      try {
        await this.refresh();
      } catch (error) {
        // The folder itself is away, as while somebody swaps it: what it said stays.
        this.#report([{ file: ".", message: messageOf(error) }]);
      }
    });
  }

  async #update(): Promise<void> {
    const { directory, maxFileBytes, maxFiles } = this.#options;
    const scan = await scanFolder(directory, { maxFileBytes, maxFiles });
    this.#watch?.follow(scan.directories);
    this.#report(this.#state?.update(scan) ?? []);
  }

  #report(problems: readonly FeedProblem[]): void {
    if (isDeepStrictEqual(problems, this.#problems)) return;
    this.#problems = problems;
    this.#deps.onProblems(problems);
  }
}
