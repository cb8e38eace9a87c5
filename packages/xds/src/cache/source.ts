// SPDX-License-Identifier: Apache-2.0
import type { Node } from "@ambientmesh/api/discovery";
import type { EncodedResource } from "./resource.ts";
import type { LogEntry } from "./resource-log.ts";

/** Somebody who follows a view; told once per publication, reads when it likes. */
export interface LogReader {
  /** The position up to which it has read; removals behind it are kept for it. */
  readonly cursor: number;
  /** The view's head moved. Called synchronously; must not throw and must not read for long. */
  changed(): void;
}

/** The published resources of one type, as sessions read them. */
export interface ResourceView {
  readonly typeUrl: string;
  /** Position of the last published change. */
  readonly head: number;
  readonly size: number;
  get(name: string): EncodedResource | undefined;
  /** Resources that go by this name, alias or group key. */
  find(name: string): readonly EncodedResource[];
  /** What changed behind `cursor`, each name once, in order, up to and with position `until`. */
  after(cursor: number, until: number): Iterable<LogEntry>;
  resources(): Iterable<EncodedResource>;
  /** Follows the view until the result is disposed. */
  attach(reader: LogReader): Disposable;
}

/** A client as sources and hooks see it. */
export interface ClientInfo<Identity = unknown> {
  /** Unique in this server's life. */
  readonly id: string;
  readonly node: Node;
  /** What the authenticator returned. */
  readonly identity: Identity;
  readonly peerAddress: string;
  readonly protocol: "delta" | "sotw";
}

/** What a client wants of a type. */
export interface SubscriptionInfo {
  readonly isWildcard: boolean;
  /** Names asked for, including those that don't exist. */
  readonly names: ReadonlySet<string>;
}

/** One client's view of one type. Disposed when the client is gone. */
export interface ResourceFeed extends Disposable {
  readonly view: ResourceView;
  /** The client asks for other names now; also called for its first request. The set is live: copy what is kept. */
  subscribed?(subscription: SubscriptionInfo): void;
}

/**
 * Where a type's resources come from. A store is a source that serves every client the same view; a generator opens a
 * store of its own per client (or per group of equal clients) and fills it as inputs and subscriptions change.
 */
export interface ResourceSource {
  /** Called once per client, at its first request for the type. */
  open(client: ClientInfo): ResourceFeed;
}
