// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { kubeErrors } from "../../errors.ts";
import { jsonEqual } from "../../json/json.ts";
import { describeObject } from "../../resource.ts";
import type { LocalObjects } from "../local-objects.ts";
import { asJson } from "../objects/api-object.ts";
import type { FieldIssue } from "../schema/field-issue.ts";
import { checkObject, type FedObject } from "./check-objects.ts";
import type { FeedProblem } from "./feed-problem.ts";
import type { FolderScan } from "./folder-scan.ts";
import { parseYamlFile, type ParsedFile } from "./yaml-file.ts";

/** An object that this feed has applied. */
interface AppliedObject {
  readonly object: KubernetesObject;
  /** The feed made it, so the feed removes it; otherwise it only gives up its fields. */
  readonly isOwn: boolean;
}

/** A file as it was last read, and the objects of its last good state. */
interface FileState {
  readonly text: string;
  readonly parsed: ParsedFile;
  good: readonly FedObject[];
}

// What others need comes first, and goes last.
const FIRST_KINDS = ["CustomResourceDefinition", "Namespace", "ServiceAccount"];

const rank = ({ kind }: KubernetesObject): number => {
  const at = FIRST_KINDS.indexOf(kind);
  return at < 0 ? FIRST_KINDS.length : at;
};

/** Brings a local server to what a folder says. Synchronous; knows nothing of files but their texts. */
export class FeedState {
  readonly #objects: LocalObjects;
  readonly #fieldManager: string;
  readonly #files = new Map<string, FileState>();
  readonly #applied = new Map<string, AppliedObject>();

  constructor(objects: LocalObjects, fieldManager: string) {
    this.#objects = objects;
    this.#fieldManager = fieldManager;
  }

  /** Applies what has changed since the last scan and gives back everything that is wrong now. */
  update(scan: FolderScan): readonly FeedProblem[] {
    const unreadable = new Set(scan.problems.map(({ file }) => file));
    for (const file of this.#files.keys()) {
      const isInUnreadable = [...unreadable].some((path) => file === path || file.startsWith(`${path}/`));
      if (!scan.files.has(file) && !isInUnreadable) this.#files.delete(file);
    }
    for (const [file, text] of scan.files) {
      const before = this.#files.get(file);
      if (before?.text === text) continue;
      this.#files.set(file, { text, parsed: parseYamlFile(file, text), good: before?.good ?? [] });
    }
    const problems = [...scan.problems];
    const definitions = this.#applyDefinitions(problems);
    const desired = this.#desired(definitions, problems);
    const ordered = [...desired.values()].sort((a, b) => rank(a.object) - rank(b.object));
    for (const fed of ordered) this.#apply(fed, problems);
    this.#removeVanished(desired, problems);
    return problems;
  }

  /** Definitions come first and count by themselves: whether other objects are good may depend on them. */
  #applyDefinitions(problems: FeedProblem[]): ReadonlyMap<string, FedObject> {
    const definitions = new Map<string, FedObject>();
    for (const [file, { parsed }] of this.#files) {
      if (parsed.problems.length > 0) continue;
      for (const source of parsed.objects.filter(({ value }) => value["kind"] === "CustomResourceDefinition")) {
        const checked = checkObject(this.#objects, file, source);
        if (!("fed" in checked) || definitions.has(checked.fed.id)) continue;
        definitions.set(checked.fed.id, checked.fed);
        this.#apply(checked.fed, problems);
      }
    }
    return definitions;
  }

  /** Every object that should be there, by id: of each file its present state if it is good, else its last good one. */
  #desired(definitions: ReadonlyMap<string, FedObject>, problems: FeedProblem[]): ReadonlyMap<string, FedObject> {
    const desired = new Map(definitions);
    for (const [file, state] of this.#files) {
      const found = this.#checkFile(file, state.parsed);
      if (found.problems.length === 0) state.good = found.fed;
      for (const problem of found.problems) problems.push(problem);
      for (const fed of state.good) {
        const other = desired.get(fed.id);
        if (other === undefined) desired.set(fed.id, fed);
        else if (placeOf(other) !== placeOf(fed))
          problems.push(fed.problem(`is defined already at ${placeOf(other)}; this one is ignored`));
      }
    }
    return desired;
  }

  #checkFile(
    file: string,
    parsed: ParsedFile,
  ): { readonly fed: readonly FedObject[]; readonly problems: readonly FeedProblem[] } {
    if (parsed.problems.length > 0) return { fed: [], problems: parsed.problems };
    const checked = parsed.objects.map((source) => checkObject(this.#objects, file, source));
    return {
      fed: checked.flatMap((result) => ("fed" in result ? [result.fed] : [])),
      problems: checked.flatMap((result) => ("problems" in result ? result.problems : [])),
    };
  }

  /** Only when the file's object differs from what was applied: what others changed meanwhile stays. */
  #apply(fed: FedObject, problems: FeedProblem[]): void {
    const before = this.#applied.get(fed.id);
    if (before !== undefined && jsonEqual(asJson(before.object), asJson(fed.object))) return;
    try {
      const { isCreated } = this.#objects.apply(fed.object, this.#fieldManager);
      this.#applied.set(fed.id, { object: fed.object, isOwn: before?.isOwn ?? isCreated });
    } catch (error) {
      for (const problem of refusalProblems(fed, error)) addOnce(problems, problem);
    }
  }

  #removeVanished(desired: ReadonlyMap<string, FedObject>, problems: FeedProblem[]): void {
    const vanished = [...this.#applied].filter(([id]) => !desired.has(id));
    for (const [id, applied] of vanished.sort(([, a], [, b]) => rank(b.object) - rank(a.object))) {
      try {
        this.#remove(applied);
        this.#applied.delete(id);
      } catch (error) {
        const { kind, metadata } = applied.object;
        problems.push({
          file: ".",
          object: describeObject(kind, metadata),
          message: `can't be removed: ${messageOf(error)}`,
        });
      }
    }
  }

  #remove({ object, isOwn }: AppliedObject): void {
    // Its kind may be gone with a definition that was removed before.
    if (this.#objects.kindOf(object) === undefined) return;
    if (isOwn) this.#objects.delete(object, object.metadata);
    else if (this.#objects.get(object, object.metadata) !== undefined) this.#giveUpFields(object);
  }

  #giveUpFields({ apiVersion, kind, metadata: { name, namespace } }: KubernetesObject): void {
    const metadata = { name, ...(namespace !== undefined && { namespace }) };
    this.#objects.apply({ apiVersion, kind, metadata }, this.#fieldManager);
  }
}

function placeOf(fed: FedObject): string {
  const { file, line, column } = fed.problem("");
  return `${file}:${line}:${column}`;
}

function refusalProblems(fed: FedObject, error: unknown): readonly FeedProblem[] {
  const issues = kubeErrors.is(error, "KUBE_INVALID") ? error.details["issues"] : undefined;
  if (Array.isArray(issues) && issues.length > 0) return issues.map((issue: FieldIssue) => fed.problem(issue));
  return [fed.problem(messageOf(error))];
}

function addOnce(problems: FeedProblem[], problem: FeedProblem): void {
  const text = JSON.stringify(problem);
  if (!problems.some((other) => JSON.stringify(other) === text)) problems.push(problem);
}
