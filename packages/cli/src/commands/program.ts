// SPDX-License-Identifier: Apache-2.0
import { Command, Option } from "commander";
import { readVersion } from "../version.ts";
import { down } from "./down.ts";
import { execReplacement, type Replacement } from "./exec.ts";
import { logs } from "./logs.ts";
import { formatStatus, readStatus } from "./status.ts";
import { listenForStop } from "./stop-signals.ts";
import { translate, type TranslateFlags } from "./translate.ts";
import type { UpFlags } from "./up-options.ts";
import type { UpDeps } from "./up.ts";
import { requireMesh } from "../local/find-mesh.ts";

/** What the command line does not do itself. */
export interface ProgramDeps extends UpDeps {
  /** Called with the exit code of a command. */
  readonly onExit: (code: number) => void;
  /** Runs another program in the place of this process. */
  readonly become: (replacement: Replacement) => never;
}

interface Named {
  readonly name: string;
}

const NAME_FLAG = "--name <name>";
const NAME_HELP = "name of the mesh, if there are several";
const DEFAULT_NAME = "local";

/** The command line of `ambientctl`. */
export function createProgram(deps: ProgramDeps): Command {
  const program = new Command("ambientctl")
    .description("runs, inspects and diagnoses an ambient mesh")
    .version(readVersion(), "-V, --version")
    .enablePositionalOptions()
    .showHelpAfterError("(see ambientctl --help)");
  program
    .command("version")
    .description("print the version")
    .action(() => deps.terminal.result(`ambientctl ${readVersion()} (Node.js ${process.versions.node})`));
  addTranslate(program, deps);
  const local = program.command("local").description("a mesh on this machine").enablePositionalOptions();
  addUp(local, deps);
  addInspection(local, deps);
  addExec(local, deps);
  return program;
}

function addTranslate(program: Command, deps: ProgramDeps): void {
  program
    .command("translate")
    .description("print what istiod would send for YAML files, and the conditions it would write, without a cluster")
    .requiredOption("-f, --file <path...>", "files, or folders of YAML")
    .option("--for <client>", "whose resources: ztunnel", "ztunnel")
    .addOption(new Option("-o, --output <format>", "how to print them").choices(["yaml", "json"]).default("yaml"))
    .option("--trust-domain <domain>", "of the mesh (default: cluster.local)")
    .option("--root-namespace <namespace>", "where mesh-wide policies live (default: istio-system)")
    .action(async (flags: TranslateFlags) => deps.onExit(await translate(flags, deps.resolve)));
}

function addUp(local: Command, deps: ProgramDeps): void {
  local
    .command("up")
    .description("start a mesh with two nodes from a folder of YAML, and stay until Ctrl-C")
    .argument("[folder]", "folder of YAML files; saved changes take effect at once", "examples/bookshop")
    .option(NAME_FLAG, NAME_HELP, DEFAULT_NAME)
    .option("--story", "prove on the bookshop what a mesh is for, and print what was seen")
    .option("--once", "with --story: end after it; the exit code tells whether everything held")
    .option("--json", "with --story: print it as one JSON object on standard output")
    .option("--no-mesh", "only nodes, pods and services: no istiod, agents and proxies")
    .option("--secret-ttl <duration>", "lifetime of pods' certificates (default: 24h; 40s with --story)")
    .option("--api-port <port>", "port of the Kubernetes API on 127.0.0.1 (default: 16443, or a free one)")
    .option("--forward <what>", "lead a port of 127.0.0.1 to a service: [LOCAL-PORT:]NAMESPACE/SERVICE:PORT", collect)
    .addOption(
      new Option("--log-level <level>", "of istiod, agents and proxies")
        .choices(["error", "warn", "info", "debug", "trace"])
        .default("info"),
    )
    .action(async (folder: string, flags: UpFlags) => {
      // Half of this package, and much of others, that no other command needs.
      const { up } = await import("./up.ts");
      deps.onExit(await up(folder, flags, deps));
    });
  local
    .command("down")
    .description("end a mesh that runs elsewhere, or remove what a killed one has left")
    .option(NAME_FLAG, NAME_HELP, DEFAULT_NAME)
    .action(async ({ name }: Named) => down(name, deps));
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function addInspection(local: Command, deps: ProgramDeps): void {
  const { terminal, config, clock } = deps;
  local
    .command("status")
    .description("show nodes, pods, addresses and processes")
    .option(NAME_FLAG, NAME_HELP, DEFAULT_NAME)
    .addOption(new Option("-o, --output <format>", "how to print it").choices(["table", "json"]).default("table"))
    .action(async ({ name, output }: Named & { readonly output: string }) => {
      const status = await readStatus(config, name);
      terminal.result(output === "json" ? JSON.stringify(status, undefined, 2) : formatStatus(status));
    });
  local
    .command("kubeconfig")
    .description("print the path of the kubeconfig: export KUBECONFIG=$(ambientctl local kubeconfig)")
    .option(NAME_FLAG, NAME_HELP, DEFAULT_NAME)
    .action(({ name }: Named) => terminal.result(requireMesh(config, name).place.kubeconfig));
  local
    .command("logs")
    .description("print the log of a pod or component")
    .argument("<target>", "NAMESPACE/POD, POD, or the beginning of a pod's name: istiod, ztunnel-node1")
    .option(NAME_FLAG, NAME_HELP, DEFAULT_NAME)
    .option("-f, --follow", "go on with what comes to it", false)
    .action(async (target: string, { name, follow }: Named & { readonly follow: boolean }) => {
      using stop = listenForStop(clock, () => deps.onExit(130));
      await logs({ name, target, follow }, { config, clock, signal: stop.signal });
    });
}

function addExec(local: Command, deps: ProgramDeps): void {
  local
    .command("exec")
    .description("run a program with the network of a pod or node; its exit code is passed on")
    .argument("<target>", "NAMESPACE/POD, POD, the beginning of a pod's name, a node, or fabric (between the nodes)")
    .argument("[command...]", "the program and its arguments, after --")
    .option(NAME_FLAG, NAME_HELP, DEFAULT_NAME)
    .passThroughOptions()
    .action(async (target: string, words: readonly string[], { name }: Named) => {
      const command = words[0] === "--" ? words.slice(1) : words;
      deps.become(await execReplacement({ name, target, command }, deps));
    });
}
