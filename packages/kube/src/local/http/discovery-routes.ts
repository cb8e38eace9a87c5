// SPDX-License-Identifier: Apache-2.0
import type { FastifyInstance, FastifyReply } from "fastify";
import { kubeErrors } from "../../errors.ts";
import type { JsonObject } from "../../json/json.ts";
import * as documents from "../discovery/documents.ts";
import { discoverVersions, type DiscoveredVersion } from "../discovery/groups.ts";
import { OPEN_API_V2_PROTOBUF, openApiV2Protobuf } from "../discovery/open-api-v2-protobuf.ts";
import { openApiIndex, openApiOf, openApiV2 } from "../discovery/open-api.ts";
import type { KindRegistry } from "../kinds/kind-registry.ts";
import { noSuchResource } from "./call.ts";
import { reviewKinds } from "./reviews.ts";

const AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** What is served, computed again only when kinds came or went. */
function versionCache(kinds: KindRegistry): () => readonly DiscoveredVersion[] {
  let generation = -1;
  let versions: readonly DiscoveredVersion[] = [];
  return () => {
    if (generation !== kinds.generation) {
      generation = kinds.generation;
      versions = discoverVersions(kinds.all(), reviewKinds);
    }
    return versions;
  };
}

function orNotFound(document: JsonObject | undefined): JsonObject {
  if (document === undefined) throw noSuchResource();
  return document;
}

/** Routes that tell clients what there is: discovery, both forms, and OpenAPI, both versions. */
export function addDiscoveryRoutes(app: FastifyInstance, kinds: KindRegistry): void {
  const versions = versionCache(kinds);
  const aggregated = (reply: FastifyReply, isCore: boolean): JsonObject => {
    void reply.type(AGGREGATED_TYPE);
    return documents.aggregatedDiscovery(versions(), isCore);
  };
  app.get("/api", (request, reply) =>
    documents.wantsAggregated(request.headers.accept) ? aggregated(reply, true) : documents.coreVersions(),
  );
  app.get("/apis", (request, reply) =>
    documents.wantsAggregated(request.headers.accept) ? aggregated(reply, false) : documents.groupList(versions()),
  );
  app.get<{ Params: { group: string } }>("/apis/:group", ({ params }) =>
    orNotFound(documents.groupDocument(versions(), params.group)),
  );
  app.get<{ Params: { version: string } }>("/api/:version", ({ params }) =>
    orNotFound(documents.resourceList(versions(), params.version)),
  );
  app.get<{ Params: { group: string; version: string } }>("/apis/:group/:version", ({ params }) =>
    orNotFound(documents.resourceList(versions(), `${params.group}/${params.version}`)),
  );
  app.get("/openapi/v2", (request, reply) => {
    if (acceptsJson(request.headers.accept)) return openApiV2(versions());
    return reply.type(OPEN_API_V2_PROTOBUF).send(openApiV2Protobuf(versions()));
  });
  app.get("/openapi/v3", () => openApiIndex(versions()));
  app.get<{ Params: { "*": string } }>("/openapi/v3/*", (request) => {
    if (!acceptsJson(request.headers.accept)) throw onlyJson();
    return orNotFound(openApiOf(versions(), request.params["*"]));
  });
}

function acceptsJson(accept: string | undefined): boolean {
  return accept === undefined || /application\/json|\*\/\*/.test(accept);
}

function onlyJson(): Error {
  return kubeErrors.create("KUBE_NOT_ACCEPTABLE", "OpenAPI 3 documents are served as application/json only");
}
