// SPDX-License-Identifier: Apache-2.0
import type { Scenario } from "../scenario.ts";
import { matching } from "./matching.ts";
import { policy } from "./policy.ts";
import { protocol } from "./protocol.ts";
import { resilience } from "./resilience.ts";
import { rewriting } from "./rewriting.ts";

/** All that is compared. */
export const SCENARIOS: readonly Scenario[] = [...matching, ...rewriting, ...resilience, ...protocol, ...policy];
