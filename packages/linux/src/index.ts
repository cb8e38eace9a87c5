// SPDX-License-Identifier: Apache-2.0

// Errors
export { linuxErrors, type LinuxErrorCode } from "./errors.ts";

// Network namespaces
export { Netns, netnsFromFd, netnsOfPid, openNetns, sameNetns, type NetnsRef } from "./netns/netns.ts";
export { createNetns, hostNetns, inNetns, type Synchronous } from "./netns/in-netns.ts";
export { NETNS_DIRECTORY, createNamedNetns, deleteNamedNetns, openNamedNetns } from "./netns/named.ts";
export { isIpv6Enabled, readSysctl, writeSysctl } from "./netns/sysctl.ts";

// Sockets
export { canonicalAddress, formatEndpoint, type Endpoint } from "./sockets/address.ts";
export { DEFAULT_KEEP_ALIVE, descriptorOf, tuneSocket, type KeepAlive, type TcpOptions } from "./sockets/options.ts";
export { listenTcp, openTcpListener, type BindOptions, type ListenOptions } from "./sockets/listen.ts";
export { connectTcp, type ConnectDeps, type ConnectOptions } from "./sockets/connect.ts";
export { bindUdp, openUdpSocket } from "./sockets/udp.ts";
export { probeInPodSockets } from "./sockets/probe.ts";
export { originalDestination, type OriginalDestination } from "./sockets/original-destination.ts";

// Datagrams with file descriptors
export { SeqpacketConnection, connectSeqpacket, type SendOptions } from "./seqpacket/connection.ts";
export { SeqpacketListener, listenSeqpacket, type SeqpacketListenOptions } from "./seqpacket/listener.ts";
export { DEFAULT_LIMITS, type MessageLimits, type SeqpacketMessage } from "./seqpacket/message-buffer.ts";
export type { PeerCredentials } from "./seqpacket/unix-socket.ts";

// Frames on an interface
export { PacketSocket, openPacketSocket, type PacketSocketOptions } from "./packets/packet-socket.ts";

// Packet rules
export {
  applyNftables,
  canonicalNftables,
  comparableNftables,
  detectNft,
  listNftables,
  type NftObject,
  type NftTable,
  type NftTool,
  type RulesOptions,
} from "./nftables/nft.ts";
export {
  canonicalIptables,
  chooseIptables,
  comparableIptables,
  detectIptables,
  restoreIptables,
  saveIptables,
  type IpVersion,
  type IptablesTool,
  type IptablesVariant,
} from "./iptables/iptables.ts";

// Cheap looks at what is there, without starting a program
export { listeningTcpPorts } from "./netlink/listeners.ts";
export { nftGeneration } from "./netlink/nft-generation.ts";
export { routingFingerprint } from "./netlink/routing-fingerprint.ts";

// Links, addresses, routes
export { NetworkPlan, type LinkSpec, type RouteSpec, type RuleSpec } from "./links/network-plan.ts";
export { ipBatch, ipJson, type IpOptions } from "./links/ip.ts";

// Processes
export {
  IN_POD_CAPABILITIES,
  effectiveCapabilities,
  hasCapability,
  requireCapabilities,
  type Capability,
} from "./process/capabilities.ts";
export { openFileLimit, raiseOpenFileLimit, type OpenFileLimit } from "./process/limits.ts";
export { listPids, pidsInNetns, processStartTime } from "./process/proc.ts";
export { SEARCH_PATH, runProgram, runTool, type RunOptions, type RunResult } from "./process/run.ts";
export { isInChroot, ownMountNamespace } from "./process/mount-namespace.ts";
export { SETUP_FAILED_EXIT_CODE, spawnIn, type BindMount, type SpawnInOptions } from "./process/spawn-in.ts";
