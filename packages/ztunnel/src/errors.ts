// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const CODES = {} as const;

/** What ztunnel itself raises. How a connection ended is not an error but a reason ({@link REASONS}). */
export const ztunnelErrors: ErrorCatalogue<keyof typeof CODES> = errorCatalogue(CODES);
