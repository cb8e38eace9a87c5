// SPDX-License-Identifier: Apache-2.0
import { API_PAGES } from "./api-pages.ts";
import { configurationPage } from "./configuration-page.ts";
import { CUSTOM_RESOURCE_PAGES } from "./custom-resources.ts";
import { errorsPage } from "./errors-page.ts";

/** Generated pages by path from the root of the repository. */
export const PAGES: ReadonlyMap<string, (root: string) => Promise<string>> = new Map([
  ["docs/reference/errors.md", errorsPage],
  ["docs/reference/configuration.md", configurationPage],
  ...API_PAGES,
  ...CUSTOM_RESOURCE_PAGES,
]);
