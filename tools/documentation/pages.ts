// SPDX-License-Identifier: Apache-2.0
import { configurationPage } from "./configuration-page.ts";
import { CUSTOM_RESOURCE_PAGES } from "./custom-resources.ts";
import { errorsPage } from "./errors-page.ts";

/** Generated pages by path from the root of the repository. */
export const PAGES: ReadonlyMap<string, (root: string) => Promise<string>> = new Map([
  ["docs/reference/errors.md", errorsPage],
  ["docs/reference/configuration.md", configurationPage],
  ...CUSTOM_RESOURCE_PAGES,
]);
