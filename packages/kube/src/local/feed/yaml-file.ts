// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { LineCounter, isMap, isNode, isSeq, parseAllDocuments, type Document, type Node, type YAMLError } from "yaml";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../json/json.ts";
import { jsonHazard } from "../../json/limits.ts";
import type { FieldPath } from "../schema/field-issue.ts";
import type { FeedProblem } from "./feed-problem.ts";

/** A place in a file, from 1. */
interface Position {
  readonly line: number;
  readonly column: number;
}

/** An object as it stands in a file. */
export interface SourceObject {
  readonly value: JsonObject;
  /** Where a field is, or what comes nearest to it. */
  readonly positionOf: (path: FieldPath) => Position;
}

/** What a file says. With problems, the objects are not to be relied on. */
export interface ParsedFile {
  readonly objects: readonly SourceObject[];
  readonly problems: readonly FeedProblem[];
}

// Aliases can make much of little; manifests of people use a handful.
const MAX_ALIASES = 100;
const MAX_OBJECTS = 10_000;
const MAX_SYNTAX_PROBLEMS = 10;

/** Parses YAML with any number of documents (or JSON, which is YAML). Never throws, whatever the text. */
export function parseYamlFile(file: string, text: string): ParsedFile {
  try {
    const lines = new LineCounter();
    const documents = parseAllDocuments(text, { lineCounter: lines, logLevel: "silent", prettyErrors: false });
    if (!Array.isArray(documents)) return { objects: [], problems: [] };
    return collect(file, documents, lines);
  } catch (error) {
    // The parser recurses: nesting deep enough exhausts its stack.
    return { objects: [], problems: [{ file, message: `can't be parsed: ${messageOf(error)}` }] };
  }
}

function collect(file: string, documents: readonly Document[], lines: LineCounter): ParsedFile {
  const parsed = documents.map((document) => parseDocument(file, document, lines));
  const objects = parsed.flatMap((part) => part.objects);
  const problems = parsed.flatMap((part) => part.problems);
  if (objects.length > MAX_OBJECTS) problems.push({ file, message: `holds more than ${MAX_OBJECTS} objects` });
  return { objects, problems };
}

function parseDocument(file: string, document: Document, lines: LineCounter): ParsedFile {
  if (document.errors.length > 0) {
    const problems = document.errors.slice(0, MAX_SYNTAX_PROBLEMS).map((error) => syntaxProblem(file, error, lines));
    return { objects: [], problems };
  }
  const value = valueOf(document);
  if (typeof value !== "string" && value.json === null) return { objects: [], problems: [] };
  const objects = typeof value === "string" ? undefined : objectsIn(value.json, document, lines);
  if (objects !== undefined) return { objects, problems: [] };
  const message = typeof value === "string" ? value : "a document must be an object with apiVersion and kind";
  return { objects: [], problems: [{ file, ...positionAt(lines, document.contents), message }] };
}

function syntaxProblem(file: string, error: YAMLError, lines: LineCounter): FeedProblem {
  const { line, col } = lines.linePos(error.pos[0]);
  return { file, line, column: col, message: `YAML: ${error.message}` };
}

/** The document as JSON, or what is wrong with it. An empty document gives null. */
function valueOf(document: Document): string | { readonly json: Json } {
  if (document.contents === null) return { json: null };
  let json: unknown;
  try {
    json = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    return `can't be read: ${messageOf(error)}`;
  }
  const hazard = jsonHazard(json);
  return hazard === undefined ? { json: json as Json } : `can't be used: ${hazard}`;
}

/** The object of a document, or the items of a List. */
function objectsIn(json: Json, document: Document, lines: LineCounter): readonly SourceObject[] | undefined {
  if (!isJsonObject(json)) return undefined;
  const source = (value: JsonObject, prefix: FieldPath): SourceObject => ({
    value,
    positionOf: (path) => positionAt(lines, nearestNode(document, [...prefix, ...path])),
  });
  const { kind, items } = json as Readonly<Record<string, Json | undefined>>;
  if (kind !== "List" || !isJsonArray(items)) return [source(json, [])];
  return items.every(isJsonObject) ? items.map((item, index) => source(item, ["items", index])) : undefined;
}

/** The key or item at a path, or the nearest thing on the way to it. */
function nearestNode(document: Document, path: FieldPath): Node | null {
  let nearest: Node | null = document.contents;
  let current: unknown = document.contents;
  for (const step of path) {
    if (isMap(current)) {
      const pair = current.items.find(({ key }) => String(isNode(key) ? key.toJSON() : key) === String(step));
      if (pair === undefined) break;
      if (isNode(pair.key)) nearest = pair.key;
      current = pair.value;
    } else if (isSeq(current)) {
      current = current.items[Number(step)];
      if (isNode(current)) nearest = current;
    } else break;
  }
  return nearest;
}

function positionAt(lines: LineCounter, node: Node | null): Position {
  const { line, col } = lines.linePos(node?.range?.[0] ?? 0);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}
