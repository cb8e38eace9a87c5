// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { translateAuthorizationPolicy, type Finding } from "@ambientmesh/authz";
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import { messageOf } from "@ambientmesh/core";
import { validateObject } from "../validation/validate-object.ts";

/** admission.k8s.io/v1 AdmissionReview, as the API server sends it. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
  readonly object: KubernetesObject | null;
}

/** The answer to it. */
export interface AdmissionVerdict {
  readonly isAllowed: boolean;
  /** Why it is refused, for the author of the object. */
  readonly message: string | undefined;
  /** What the author should know all the same. */
  readonly warnings: readonly string[];
}

export interface AdmissionOptions {
  readonly rootNamespace: string;
  /** What is said of a policy that nothing enforces as it reads where it is attached. */
  readonly unenforceable: "warn" | "refuse";
}

/** The API server cuts longer warnings. */
const MAX_WARNING = 250;
const MAX_WARNINGS = 10;
const MAX_MESSAGE = 4096;

/** Reads the body of a request; undefined if it is none. */
export function readAdmissionRequest(body: unknown): AdmissionRequest | undefined {
  const { kind, request } = (body ?? {}) as { kind?: unknown; request?: Partial<AdmissionRequest> };
  if (kind !== "AdmissionReview" || typeof request?.uid !== "string" || typeof request.operation !== "string") {
    return undefined;
  }
  const { object = null, resource } = request;
  if (object !== null && !isObject(object)) return undefined;
  if (typeof resource?.group !== "string" || typeof resource.resource !== "string") return undefined;
  return { uid: request.uid, operation: request.operation, resource, object };
}

function isObject(value: unknown): value is KubernetesObject {
  const { apiVersion, kind, metadata } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof apiVersion === "string" && typeof kind === "string" && typeof metadata === "object" && metadata !== null
  );
}

/** Judges what is created or updated; deletions and kinds without rules go through. */
export function judge({ object }: AdmissionRequest, options: AdmissionOptions): AdmissionVerdict {
  if (object === null) return { isAllowed: true, message: undefined, warnings: [] };
  let findings: readonly Finding[];
  try {
    findings = [...(validateObject(object) ?? []), ...unenforceable(object, options)];
  } catch (error) {
    findings = [{ severity: "error", path: "spec", message: `can't be read: ${messageOf(error)}` }];
  }
  const texts = (severity: Finding["severity"]): string[] => [
    ...new Set(
      findings.filter((finding) => finding.severity === severity).map(({ path, message }) => `${path} ${message}`),
    ),
  ];
  const problems = texts("error");
  return {
    isAllowed: problems.length === 0,
    message: problems.length === 0 ? undefined : problems.join("; ").slice(0, MAX_MESSAGE),
    warnings: texts("warning")
      .slice(0, MAX_WARNINGS)
      .map((text) => text.slice(0, MAX_WARNING)),
  };
}

/** A policy for node proxies that asks for what only a waypoint can see. */
function unenforceable(
  object: KubernetesObject,
  { rootNamespace, unenforceable: effect }: AdmissionOptions,
): Finding[] {
  if (effect === "warn" || object.kind !== "AuthorizationPolicy") return [];
  const { condition } = translateAuthorizationPolicy(object as AuthorizationPolicy, {
    rootNamespace,
    allowDryRun: true,
  });
  if (condition?.reason !== "UnsupportedValue") return [];
  return [
    { severity: "error", path: "spec", message: `can't be enforced by node proxies as it reads: ${condition.message}` },
  ];
}

/** The body of the answer. */
export function admissionAnswer(uid: string, { isAllowed, message, warnings }: AdmissionVerdict): object {
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: {
      uid,
      allowed: isAllowed,
      ...(message !== undefined && { status: { code: 422, reason: "Invalid", message } }),
      ...(warnings.length > 0 && { warnings }),
    },
  };
}
