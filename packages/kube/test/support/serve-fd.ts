// SPDX-License-Identifier: Apache-2.0
// Serves a local API on the listening socket that was inherited as file descriptor 3, and prints its token.
import { createLocalKube } from "../../src/local/index.ts";

const server = createLocalKube();
await server.start();
await server.listen({ fd: 3 });
process.stdout.write(`${server.adminToken}\n`);
