// SPDX-License-Identifier: Apache-2.0
import {
  bytesMap,
  fieldsV1,
  flag,
  inline,
  intOrString,
  message,
  messages,
  microTime,
  number,
  quantityMap,
  setFlag,
  setNumber,
  setText,
  text,
  textMap,
  texts,
  time,
  type MessageType,
} from "./message.ts";

// Field numbers of Kubernetes' API (generated.proto of k8s.io/api and k8s.io/apimachinery, 1.36), for what clients that
// insist on protobuf create: kubectl's `create` commands, events, leases, tokens. Other fields need JSON.

const ownerReference: MessageType = {
  1: text("kind"),
  3: text("name"),
  4: text("uid"),
  5: text("apiVersion"),
  6: setFlag("controller"),
  7: setFlag("blockOwnerDeletion"),
};

const managedFields: MessageType = {
  1: text("manager"),
  2: text("operation"),
  3: text("apiVersion"),
  4: time("time"),
  6: text("fieldsType"),
  7: fieldsV1("fieldsV1"),
  8: text("subresource"),
};

const objectMeta: MessageType = {
  1: text("name"),
  2: text("generateName"),
  3: text("namespace"),
  4: text("selfLink"),
  5: text("uid"),
  6: text("resourceVersion"),
  7: number("generation"),
  8: time("creationTimestamp"),
  9: time("deletionTimestamp"),
  10: setNumber("deletionGracePeriodSeconds"),
  11: textMap("labels"),
  12: textMap("annotations"),
  13: messages("ownerReferences", ownerReference),
  14: texts("finalizers"),
  17: messages("managedFields", managedFields),
};

/** A kind with metadata and the fields that follow it. */
const kind = (fields: MessageType): MessageType => ({ 1: message("metadata", objectMeta), ...fields });

const objectReference: MessageType = {
  1: text("kind"),
  2: text("namespace"),
  3: text("name"),
  4: text("uid"),
  5: text("apiVersion"),
  6: text("resourceVersion"),
  7: text("fieldPath"),
};

const localReference: MessageType = { 1: text("name") };
const keySelector: MessageType = { 1: inline(localReference), 2: text("key"), 3: setFlag("optional") };

const labelSelector: MessageType = {
  1: textMap("matchLabels"),
  2: messages("matchExpressions", { 1: text("key"), 2: text("operator"), 3: texts("values") }),
};

const container: MessageType = {
  1: text("name"),
  2: text("image"),
  3: texts("command"),
  4: texts("args"),
  5: text("workingDir"),
  6: messages("ports", {
    1: text("name"),
    2: number("hostPort"),
    3: number("containerPort"),
    4: text("protocol"),
    5: text("hostIP"),
  }),
  7: messages("env", {
    1: text("name"),
    2: text("value"),
    3: message("valueFrom", {
      1: message("fieldRef", { 1: text("apiVersion"), 2: text("fieldPath") }),
      3: message("configMapKeyRef", keySelector),
      4: message("secretKeyRef", keySelector),
    }),
  }),
  8: message("resources", { 1: quantityMap("limits"), 2: quantityMap("requests") }),
  9: messages("volumeMounts", {
    1: text("name"),
    2: flag("readOnly"),
    3: text("mountPath"),
    4: text("subPath"),
    6: text("subPathExpr"),
  }),
  13: text("terminationMessagePath"),
  14: text("imagePullPolicy"),
  16: flag("stdin"),
  17: flag("stdinOnce"),
  18: flag("tty"),
  20: text("terminationMessagePolicy"),
  24: setText("restartPolicy"),
};

const podSpec: MessageType = {
  2: messages("containers", container),
  3: text("restartPolicy"),
  4: setNumber("terminationGracePeriodSeconds"),
  5: setNumber("activeDeadlineSeconds"),
  6: text("dnsPolicy"),
  7: textMap("nodeSelector"),
  8: text("serviceAccountName"),
  9: text("serviceAccount"),
  10: text("nodeName"),
  11: flag("hostNetwork"),
  12: flag("hostPID"),
  13: flag("hostIPC"),
  15: messages("imagePullSecrets", localReference),
  16: text("hostname"),
  17: text("subdomain"),
  19: text("schedulerName"),
  20: messages("initContainers", container),
  21: setFlag("automountServiceAccountToken"),
  30: setFlag("enableServiceLinks"),
};

const servicePort: MessageType = {
  1: text("name"),
  2: text("protocol"),
  3: number("port"),
  4: intOrString("targetPort"),
  5: number("nodePort"),
  6: setText("appProtocol"),
};

const serviceSpec: MessageType = {
  1: messages("ports", servicePort),
  2: textMap("selector"),
  3: text("clusterIP"),
  4: text("type"),
  5: texts("externalIPs"),
  7: text("sessionAffinity"),
  8: text("loadBalancerIP"),
  9: texts("loadBalancerSourceRanges"),
  10: text("externalName"),
  11: text("externalTrafficPolicy"),
  13: flag("publishNotReadyAddresses"),
  17: setText("ipFamilyPolicy"),
  18: texts("clusterIPs"),
  19: texts("ipFamilies"),
  22: setText("internalTrafficPolicy"),
  23: setText("trafficDistribution"),
};

const deploymentSpec: MessageType = {
  1: setNumber("replicas"),
  2: message("selector", labelSelector),
  3: message("template", { 1: message("metadata", objectMeta), 2: message("spec", podSpec) }),
  4: message("strategy", {
    1: text("type"),
    2: message("rollingUpdate", { 1: intOrString("maxUnavailable"), 2: intOrString("maxSurge") }),
  }),
  5: number("minReadySeconds"),
  6: setNumber("revisionHistoryLimit"),
  7: flag("paused"),
  9: setNumber("progressDeadlineSeconds"),
};

const event: MessageType = kind({
  2: message("involvedObject", objectReference),
  3: text("reason"),
  4: text("message"),
  5: message("source", { 1: text("component"), 2: text("host") }),
  6: time("firstTimestamp"),
  7: time("lastTimestamp"),
  8: number("count"),
  9: text("type"),
  10: microTime("eventTime"),
  11: message("series", { 1: number("count"), 2: microTime("lastObservedTime") }),
  12: text("action"),
  13: message("related", objectReference),
  14: text("reportingComponent"),
  15: text("reportingInstance"),
});

const leaseSpec: MessageType = {
  1: setText("holderIdentity"),
  2: setNumber("leaseDurationSeconds"),
  3: microTime("acquireTime"),
  4: microTime("renewTime"),
  5: setNumber("leaseTransitions"),
  6: setText("strategy"),
  7: setText("preferredHolder"),
};

const tokenRequestSpec: MessageType = {
  1: texts("audiences"),
  3: message("boundObjectRef", { 1: text("kind"), 2: text("apiVersion"), 3: text("name"), 4: text("uid") }),
  4: setNumber("expirationSeconds"),
};

const accessReviewSpec: MessageType = {
  1: message("resourceAttributes", {
    1: text("namespace"),
    2: text("verb"),
    3: text("group"),
    4: text("version"),
    5: text("resource"),
    6: text("subresource"),
    7: text("name"),
  }),
  2: message("nonResourceAttributes", { 1: text("path"), 2: text("verb") }),
};

/** Statuses that clients send along empty. */
const emptyStatus: MessageType = {};
const withStatus = (spec: MessageType): MessageType =>
  kind({ 2: message("spec", spec), 3: message("status", emptyStatus) });

/** Objects by "apiVersion/kind". */
export const messageTypes: ReadonlyMap<string, MessageType> = new Map([
  [
    "v1/Namespace",
    kind({ 2: message("spec", { 1: texts("finalizers") }), 3: message("status", { 1: text("phase") }) }),
  ],
  ["v1/ConfigMap", kind({ 2: textMap("data"), 3: bytesMap("binaryData"), 4: setFlag("immutable") })],
  ["v1/Secret", kind({ 2: bytesMap("data"), 3: text("type"), 4: textMap("stringData"), 5: setFlag("immutable") })],
  [
    "v1/ServiceAccount",
    kind({
      2: messages("secrets", objectReference),
      3: messages("imagePullSecrets", localReference),
      4: setFlag("automountServiceAccountToken"),
    }),
  ],
  ["v1/Pod", withStatus(podSpec)],
  // The load balancer of an empty status is a message of its own.
  ["v1/Service", kind({ 2: message("spec", serviceSpec), 3: message("status", { 1: message("loadBalancer", {}) }) })],
  ["v1/Event", event],
  ["apps/v1/Deployment", withStatus(deploymentSpec)],
  ["coordination.k8s.io/v1/Lease", kind({ 2: message("spec", leaseSpec) })],
  [
    "authentication.k8s.io/v1/TokenRequest",
    kind({
      2: message("spec", tokenRequestSpec),
      3: message("status", { 1: text("token"), 2: time("expirationTimestamp") }),
    }),
  ],
  [
    "authentication.k8s.io/v1/TokenReview",
    kind({
      2: message("spec", { 1: text("token"), 2: texts("audiences") }),
      3: message("status", {
        1: flag("authenticated"),
        2: message("user", { 1: text("username"), 2: text("uid") }),
        3: text("error"),
      }),
    }),
  ],
  [
    "authentication.k8s.io/v1/SelfSubjectReview",
    kind({ 2: message("status", { 1: message("userInfo", { 1: text("username"), 2: text("uid") }) }) }),
  ],
  [
    "authorization.k8s.io/v1/SelfSubjectAccessReview",
    kind({
      2: message("spec", accessReviewSpec),
      3: message("status", { 1: flag("allowed"), 2: text("reason"), 3: text("evaluationError"), 4: flag("denied") }),
    }),
  ],
  [
    "authorization.k8s.io/v1/SubjectAccessReview",
    kind({
      2: message("spec", { ...accessReviewSpec, 3: text("user"), 4: texts("groups"), 6: text("uid") }),
      3: message("status", { 1: flag("allowed"), 2: text("reason"), 3: text("evaluationError"), 4: flag("denied") }),
    }),
  ],
]);

/** meta/v1 DeleteOptions, which every group version has. */
export const deleteOptions: MessageType = {
  1: setNumber("gracePeriodSeconds"),
  2: message("preconditions", { 1: setText("uid"), 2: setText("resourceVersion") }),
  3: setFlag("orphanDependents"),
  4: setText("propagationPolicy"),
  5: texts("dryRun"),
};
