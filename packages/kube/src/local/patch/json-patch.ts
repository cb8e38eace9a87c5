// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import { isJsonArray, isJsonObject, jsonEqual, jsonText, type Json } from "../../json/json.ts";

// Kubernetes' own limits: operations per patch, and bytes that `copy` may add.
const MAX_OPERATIONS = 10_000;
const MAX_COPIED_BYTES = 3 * 1024 * 1024;

interface Operation {
  readonly op: string;
  readonly path: readonly string[];
  readonly from: readonly string[] | undefined;
  readonly value: Json | undefined;
}

/**
 * Applies a JSON patch (RFC 6902).
 * @throws MeshError KUBE_BAD_REQUEST when it is no JSON patch, KUBE_INVALID when it does not apply: a path leads nowhere or a test fails.
 */
export function applyJsonPatch(target: Json, patch: Json): Json {
  if (!isJsonArray(patch)) throw badPatch("it must be a list of operations");
  if (patch.length > MAX_OPERATIONS) throw badPatch(`it has more than ${MAX_OPERATIONS} operations`);
  let copiedBytes = 0;
  return patch.reduce<Json>((document, item, index) => {
    const operation = parseOperation(item, index);
    if (operation.op === "copy") {
      copiedBytes += JSON.stringify(valueAt(document, operation.from ?? [], operation)).length;
      if (copiedBytes > MAX_COPIED_BYTES) throw badPatch(`it copies more than ${MAX_COPIED_BYTES} bytes`);
    }
    return applyOperation(document, operation);
  }, target);
}

function badPatch(problem: string): Error {
  return kubeErrors.create("KUBE_BAD_REQUEST", `the JSON patch can't be read: ${problem}`);
}

function doesNotApply({ op, path }: Operation, problem: string): Error {
  return kubeErrors.create("KUBE_INVALID", `the JSON patch does not apply: ${op} /${path.join("/")}: ${problem}`);
}

function parseOperation(item: Json, index: number): Operation {
  if (!isJsonObject(item)) throw badPatch(`operation ${index} is no object`);
  const { op, path, from, value } = item as Readonly<Record<string, Json | undefined>>;
  if (typeof op !== "string" || !["add", "remove", "replace", "move", "copy", "test"].includes(op)) {
    throw badPatch(`operation ${index} has the unknown op ${jsonText(op, "(none)")}`);
  }
  const needsFrom = op === "move" || op === "copy";
  const needsValue = op === "add" || op === "replace" || op === "test";
  if (needsValue && value === undefined) throw badPatch(`operation ${index} (${op}) has no value`);
  return {
    op,
    path: parsePointer(path, index),
    from: needsFrom ? parsePointer(from, index) : undefined,
    value,
  };
}

/** RFC 6901: "/a~1b/0". */
function parsePointer(pointer: Json | undefined, index: number): readonly string[] {
  if (pointer === "") return [];
  if (typeof pointer !== "string" || !pointer.startsWith("/"))
    throw badPatch(`operation ${index} has no valid pointer`);
  const steps = pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (steps.includes("__proto__")) throw badPatch(`operation ${index} names the key "__proto__"`);
  return steps;
}

function applyOperation(document: Json, operation: Operation): Json {
  const { op, path, from = [], value = null } = operation;
  switch (op) {
    case "add":
      return add(document, path, value, operation);
    case "remove":
      return remove(document, path, operation);
    case "replace":
      valueAt(document, path, operation);
      return path.length === 0 ? value : add(remove(document, path, operation), path, value, operation);
    case "copy":
      return add(document, path, valueAt(document, from, operation), operation);
    case "move": {
      if (path.length > from.length && from.every((step, depth) => step === path[depth])) {
        throw doesNotApply(operation, "a value can't be moved into itself");
      }
      const moved = valueAt(document, from, operation);
      return add(remove(document, from, operation), path, moved, operation);
    }
    default:
      if (jsonEqual(valueAt(document, path, operation), value)) return document;
      throw doesNotApply(operation, "the value is another");
  }
}

function valueAt(document: Json, path: readonly string[], operation: Operation): Json {
  return path.reduce<Json>((value, step) => {
    const child = isJsonArray(value) ? value[listIndex(step, value.length - 1, operation)] : fieldOf(value, step);
    if (child === undefined) throw doesNotApply(operation, `there is no "${step}"`);
    return child;
  }, document);
}

function fieldOf(value: Json, key: string): Json | undefined {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function listIndex(step: string, max: number, operation: Operation): number {
  const index = /^(0|[1-9]\d{0,8})$/.test(step) ? Number(step) : Number.NaN;
  if (!(index <= max)) throw doesNotApply(operation, `"${step}" is no index of the list`);
  return index;
}

/** Rebuilds the containers along the path around `change`, which gets the innermost one. */
function rebuild(
  document: Json,
  path: readonly string[],
  operation: Operation,
  change: (container: Json, key: string) => Json,
): Json {
  const [step = "", ...rest] = path;
  if (rest.length === 0) return change(document, step);
  const child = valueAt(document, [step], operation);
  const rebuilt = rebuild(child, rest, operation, change);
  if (isJsonArray(document)) return document.with(Number(step), rebuilt);
  return { ...(isJsonObject(document) && document), [step]: rebuilt };
}

function add(document: Json, path: readonly string[], value: Json, operation: Operation): Json {
  if (path.length === 0) return value;
  return rebuild(document, path, operation, (container, key) => {
    if (isJsonArray(container)) {
      const index = key === "-" ? container.length : listIndex(key, container.length, operation);
      return container.toSpliced(index, 0, value);
    }
    if (!isJsonObject(container)) throw doesNotApply(operation, "only objects and lists have parts");
    return { ...container, [key]: value };
  });
}

function remove(document: Json, path: readonly string[], operation: Operation): Json {
  if (path.length === 0) return null;
  valueAt(document, path, operation);
  return rebuild(document, path, operation, (container, key) => {
    if (isJsonArray(container)) return container.toSpliced(Number(key), 1);
    const { [key]: _removed, ...rest } = isJsonObject(container) ? container : {};
    return rest;
  });
}
