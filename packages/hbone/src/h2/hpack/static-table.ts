// SPDX-License-Identifier: Apache-2.0

/** RFC 7541 appendix A in order of index: names, with a value where it has one. */
const ENTRIES = `
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`;

/** A header field: lower-case name, value as latin1. */
export type HeaderField = readonly [name: string, value: string];

/** The static table; HPACK's index 1 is element 0. */
export const STATIC_TABLE: readonly HeaderField[] = ENTRIES.trim()
  .split("\n")
  .map((line): HeaderField => {
    const space = line.indexOf(" ");
    return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
  });
