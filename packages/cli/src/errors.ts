// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const CODES = {
  CLI_ARGUMENT_INVALID: "A word on the command line can't be used; the message says which and why.",
  CLI_CAPTURE_FAILED: "tcpdump could not capture on the link between the nodes of a local mesh.",
  CLI_FOLDER_INVALID: "The folder of YAML does not exist or can't be read.",
  CLI_LEFTOVERS: "A local mesh was stopped, but something of it is still there; the message lists it.",
  CLI_MESH_NOT_RUNNING: "There is no local mesh of that name; start it with `ambientctl local up`.",
  CLI_MESH_RUNNING: "A local mesh of that name runs already; end it with `ambientctl local down`, or use --name.",
  CLI_NOT_READY: "Pods or components of a local mesh did not become ready in time; the message names them.",
  CLI_POD_FAILED: "Something that a pod of a local mesh needs could not be made yet; it is tried again.",
  CLI_PORT_BUSY: "A port that was asked for is in use by another program; choose another one.",
  CLI_PRIVILEGE_MISSING:
    "A local mesh needs root, or user namespaces for ordinary users; the message says what stands in the way.",
  CLI_PROGRAM_MISSING: "A program that local mode starts is not installed; the message names its Debian package.",
  CLI_RUN_DIRECTORY: "The run directory of a local mesh can't be used; the message says why.",
  CLI_STORY_FAILED: "Something the story expects to see was not seen.",
  CLI_TARGET_NOT_FOUND: "There is no pod or node of that name in the local mesh.",
  CLI_WAIT_TIMEOUT:
    "Something that a local mesh waited for did not happen in time; the message says what was seen last.",
} as const;

/** Codes of this package. */
export type CliErrorCode = keyof typeof CODES;

/** Codes of the command line and of local mode. */
export const cliErrors: ErrorCatalogue<CliErrorCode> = errorCatalogue(CODES);
