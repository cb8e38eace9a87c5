// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** Codes of the command line and of local mode. */
export const cliErrors: ErrorCatalogue<"CLI_CAPTURE_FAILED" | "CLI_STORY_FAILED" | "CLI_WAIT_TIMEOUT"> = errorCatalogue(
  {
    CLI_CAPTURE_FAILED: "tcpdump could not capture on the link between the nodes of a local mesh.",
    CLI_STORY_FAILED: "Something the story expects to see was not seen.",
    CLI_WAIT_TIMEOUT:
      "Something that a local mesh waited for did not happen in time; the message says what was seen last.",
  },
);
