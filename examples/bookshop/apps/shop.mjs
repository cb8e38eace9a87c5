// SPDX-License-Identifier: Apache-2.0
// A shop server that knows nothing of a mesh: plain HTTP in, plain HTTP out.
// Usage: node shop.mjs NAME PORT [URL-OF-THE-SERVICE-BEHIND]
import { createServer, get } from "node:http";
import { hostname } from "node:os";
import { json } from "node:stream/consumers";

const [name, port, behind] = process.argv.slice(2);
const BOOKS = ["Njal's Saga", "Middlemarch", "The Leopard", "Kristin Lavransdatter"];

function log(event, fields) {
  console.log(JSON.stringify({ time: new Date().toISOString(), shop: name, event, ...fields }));
}

/** One line now and then one every 200 ms, until the client goes away. */
function stream(response) {
  let line = 0;
  const timer = setInterval(() => response.write(`line ${++line} from ${name}\n`), 200);
  response.write(`line 0 from ${name}\n`);
  response.on("close", () => clearInterval(timer));
}

/** Asks the service behind, with a connection of its own for each request. */
function ask(path) {
  return new Promise((resolve, reject) => {
    const request = get(new URL(path, behind), { agent: false, timeout: 5000 }, (response) => {
      const { statusCode: status } = response;
      json(response).then((body) => resolve({ status, body }), reject);
    });
    request.on("timeout", () => request.destroy(new Error("no answer in 5 s")));
    request.on("error", reject);
  });
}

async function answer(request, response) {
  if (request.url === "/stream") return stream(response);
  if (behind === undefined) {
    return response.end(JSON.stringify({ shop: name, host: hostname(), books: BOOKS, asked: request.url }));
  }
  const { status, body } = await ask(request.url);
  response.statusCode = status;
  response.end(JSON.stringify({ shop: name, behind: body }));
}

const server = createServer((request, response) => {
  log("request", { url: request.url, client: request.socket.remoteAddress, pid: process.pid });
  answer(request, response).catch((error) => {
    log("error", { url: request.url, message: error.message });
    response.statusCode = 502;
    response.end(JSON.stringify({ shop: name, error: error.code ?? error.message }));
  });
});
server.listen(Number(port), "0.0.0.0", () => log("listening", { port: Number(port), pid: process.pid }));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
