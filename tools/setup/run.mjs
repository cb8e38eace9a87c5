// SPDX-License-Identifier: Apache-2.0
// Entry of `npm start`, `npm test`, `npm run bench` and `npm run soak`: sets up what is missing, then runs the command under the project's own Node.
// Runs on Node 20 with nothing installed, so it uses Node's built-in modules only.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const MODULES = join(ROOT, "node_modules");
const INSTALLED_LOCK = join(MODULES, ".ambientmesh-lock");

/** Debian packages, by a program that each brings, or a command line that succeeds when it is there. */
const PACKAGES = {
  iproute2: "ip",
  nftables: "nft",
  tcpdump: "tcpdump",
  curl: "curl",
  "util-linux": "nsenter",
  "ca-certificates": undefined,
  iptables: "iptables",
  openssl: "openssl",
  procps: "pgrep",
  python3: "python3",
  "python3-venv": ["python3", "-c", "import ensurepip"],
};
const MESH = ["iproute2", "nftables", "tcpdump", "curl", "util-linux"];

const COMMANDS = {
  start: { packages: MESH, argv: (args) => node("packages/cli/src/main.ts", ["local", "up", "--story", ...args]) },
  test: {
    packages: [...MESH, "iptables", "openssl", "procps", "python3", "python3-venv"],
    argv: () => [process.execPath, npmCli(), "run", "check"],
  },
  bench: { packages: MESH, argv: (args) => node("bench/main.ts", args) },
  soak: { packages: MESH, argv: (args) => node("bench/soak/main.ts", args) },
  "soak:upgrade": { packages: MESH, argv: (args) => node("bench/soak/upgrade.ts", args) },
};

function node(script, args) {
  return [join(MODULES, ".bin", "node"), "--conditions=@ambientmesh/source", join(ROOT, script), ...args];
}

function npmCli() {
  const path = process.env["npm_execpath"];
  if (!path) fail("run this through npm: npm start, npm test or npm run bench");
  return path;
}

/** Progress goes to standard error, so that standard output carries results only. */
function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text) {
  say(`error: ${text}`);
  process.exit(1);
}

function run(argv, options = {}) {
  const result = spawnSync(argv[0], argv.slice(1), { cwd: ROOT, stdio: ["ignore", 2, 2], ...options });
  return result.status === 0;
}

function isOnPath(program) {
  const folders = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`.split(":");
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false; // not in this folder
    }
  });
}

function isThere(sign) {
  if (sign === undefined) return true;
  return typeof sign === "string"
    ? isOnPath(sign)
    : spawnSync(sign[0], sign.slice(1), { stdio: "ignore" }).status === 0;
}

function checkMachine() {
  if (process.platform !== "linux") fail(`the mesh needs Linux (network namespaces), this is ${process.platform}`);
  if (!["x64", "arm64"].includes(process.arch)) fail(`no Node build for ${process.arch}; x64 and arm64 are supported`);
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) fail(`Node ${process.versions.node} is too old to install the packages; install Node 20 or newer`);
}

function lockHash() {
  return createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
}

function installModules() {
  const wanted = lockHash();
  const isInstalled = existsSync(INSTALLED_LOCK) && readFileSync(INSTALLED_LOCK, "utf8") === wanted;
  if (isInstalled) return;
  say(
    "Installing the npm packages of package-lock.json into node_modules (about 750 MB, Node 24 among them; once) ...",
  );
  if (!run([process.execPath, npmCli(), "ci", "--loglevel=error"])) {
    fail("npm ci failed; its messages are above. Is the npm registry reachable?");
  }
  writeFileSync(INSTALLED_LOCK, wanted);
}

function installPrograms(packages) {
  const missing = packages.filter((name) => !isThere(PACKAGES[name]));
  if (missing.length === 0) return;
  const list = missing.join(" ");
  if (process.getuid() !== 0) fail(`these programs are missing; install them: sudo apt-get install -y ${list}`);
  if (!isOnPath("apt-get")) fail(`these Debian packages are missing, and there is no apt-get here: ${list}`);
  say(`Installing the Debian packages ${list} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...missing];
  const isDone = run(install, { env }) || (run(["apt-get", "update", "-qq"], { env }) && run(install, { env }));
  if (!isDone) fail(`apt-get could not install ${list}; its messages are above`);
}

/** Stays the parent, so that npm's signals reach the command, and ends as the command ended. */
function handOver(argv) {
  const env = {
    ...process.env,
    PATH: `${join(MODULES, ".bin")}:${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
    NX_DAEMON: "false",
  };
  const child = spawn(argv[0], argv.slice(1), { cwd: ROOT, env, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // Ctrl-C reaches the whole foreground group by itself; only signals sent to this process alone are passed on.
    process.on(signal, () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => fail(`can't run ${argv[0]}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (!command) fail(`unknown command ${name}; known: ${Object.keys(COMMANDS).join(", ")}`);
checkMachine();
installModules();
installPrograms(command.packages);
handOver(command.argv(args));
