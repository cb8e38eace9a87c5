// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject, LabelSelector } from "./meta.ts";

/** gateway.networking.k8s.io/v1 GatewayClass. */
export interface GatewayClass extends KubernetesObject {
  readonly apiVersion: "gateway.networking.k8s.io/v1";
  readonly kind: "GatewayClass";
  readonly spec: { readonly controllerName: string; readonly description?: string };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface GatewayAddress {
  /** Default IPAddress. */
  readonly type?: string;
  readonly value?: string;
}

/** Which namespaces' objects may attach to a listener. */
export interface RouteNamespaces {
  /** Default Same. */
  readonly from?: "All" | "Same" | "Selector" | "None";
  readonly selector?: LabelSelector;
}

export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly hostname?: string;
  readonly allowedRoutes?: { readonly namespaces?: RouteNamespaces };
}

export interface ListenerStatus {
  readonly name: string;
  readonly attachedRoutes: number;
  readonly supportedKinds?: readonly { readonly group?: string; readonly kind: string }[];
  readonly conditions: readonly Condition[];
}

export interface ParametersReference {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

/** gateway.networking.k8s.io/v1 Gateway. */
export interface Gateway extends KubernetesObject {
  readonly apiVersion: "gateway.networking.k8s.io/v1";
  readonly kind: "Gateway";
  readonly spec: {
    readonly gatewayClassName: string;
    readonly listeners?: readonly GatewayListener[];
    readonly addresses?: readonly GatewayAddress[];
    readonly infrastructure?: {
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
      readonly parametersRef?: ParametersReference;
    };
  };
  readonly status?: {
    readonly addresses?: readonly GatewayAddress[];
    readonly conditions?: readonly Condition[];
    readonly listeners?: readonly ListenerStatus[];
  };
}
