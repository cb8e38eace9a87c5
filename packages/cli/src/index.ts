// SPDX-License-Identifier: Apache-2.0
// Errors
export { cliErrors, type CliErrorCode } from "./errors.ts";
// A mesh on this machine, for tests, measurements and programs
export type { ExecOptions, ExecResult, LocalMesh, LocalPod, MeshTarget, ObjectReference } from "./local/mesh.ts";
export { startLocalMesh, type LocalMeshOptions } from "./local/local-mesh.ts";
export { startMesh, type MeshDeps, type MeshOptions } from "./local/start-mesh.ts";
export type { RunningMesh } from "./local/running-mesh.ts";
export type { ComponentOptions } from "./local/cluster/components.ts";
export type { ResolveModule } from "./local/cluster/programs.ts";
export type { ForwardTarget } from "./local/forward/port-forward.ts";
export type { HostSocket, HostSockets, WantedSocket } from "./local/host-sockets.ts";
export { Place, type Seclusion } from "./local/run-directory/place.ts";
export { describeConfig, parseConfig, type CliConfig } from "./config.ts";
// The proof
export { tellStory } from "./story/story.ts";
export type { StoryContext } from "./story/step.ts";
export type { StoryReport, StoryStep } from "./story/report.ts";
