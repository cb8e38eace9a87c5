// SPDX-License-Identifier: Apache-2.0

/*
 * Numbers of the kernel's user-space headers (asm-generic: x86-64, arm64 and riscv64 agree on all of them).
 * The header is named beside each group.
 */

// linux/sched.h
export const CLONE_NEWNET = 0x40000000;

// linux/nsfs.h: asks a namespace's descriptor for its CLONE_NEW* type
export const NS_GET_NSTYPE = 0xb703;

// bits/socket.h
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const SCM_RIGHTS = 1;

// linux/if_packet.h, linux/if_ether.h
export const SOL_PACKET = 263;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_MR_PROMISC = 1;
export const ETH_P_ALL = 0x0003;

// asm-generic/socket.h
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_KEEPALIVE = 9;
export const SO_REUSEPORT = 15;
export const SO_PEERCRED = 17;
export const SO_MARK = 36;

// netinet/in.h, linux/in.h, linux/in6.h
export const SOL_IP = 0;
export const IP_FREEBIND = 15;
export const IP_TRANSPARENT = 19;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const SOL_IPV6 = 41;
export const IPV6_V6ONLY = 26;
export const IPV6_TRANSPARENT = 75;
export const IPV6_FREEBIND = 78;

// linux/tcp.h
export const SOL_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_USER_TIMEOUT = 18;

// linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h
export const SO_ORIGINAL_DST = 80;
export const IP6T_SO_ORIGINAL_DST = 80;

// sys/mount.h
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_SHARED = 0x100000;
export const MNT_DETACH = 2;

// bits/resource.h
export const RLIMIT_NOFILE = 7;
