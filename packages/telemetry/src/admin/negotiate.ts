// SPDX-License-Identifier: Apache-2.0
import { promisify } from "node:util";
import { brotliCompress, constants, deflate, gzip, zstdCompress } from "node:zlib";

/** One entry of an Accept or Accept-Encoding header. */
interface Preference {
  readonly name: string;
  readonly weight: number;
}

/** RFC 9110, 12.4.2; what is not a weight counts as 1, other parameters are skipped. At most 32 entries are read. */
function preferences(header: string): Preference[] {
  return header
    .split(",", 32)
    .map((entry) => {
      const [name = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith("q="));
      const value = weight === undefined ? 1 : Number(weight.slice(2));
      return { name, weight: Number.isFinite(value) ? Math.min(Math.max(value, 0), 1) : 1 };
    })
    .filter((preference) => preference.name !== "");
}

/** True if the client names OpenMetrics and does not prefer plain text to it. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  const wanted = preferences(accept ?? "");
  const weightOf = (name: string): number => Math.max(0, ...wanted.filter((p) => p.name === name).map((p) => p.weight));
  const weight = weightOf("application/openmetrics-text");
  return weight > 0 && weight >= weightOf("text/plain");
}

const brotli = promisify(brotliCompress);
const COMPRESSORS: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  gzip: promisify(gzip),
  // The default quality of 11 takes seconds for a large scrape.
  br: (bytes) => brotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: promisify(zstdCompress),
  deflate: promisify(deflate),
};
const MIN_COMPRESSED_BYTES = 1024;

/** The body in the encoding the client likes best; small bodies and unknown encodings stay as they are. */
export async function encodeBody(
  body: Buffer,
  acceptEncoding: string | undefined,
): Promise<{ readonly body: Buffer; readonly encoding?: string }> {
  if (body.length < MIN_COMPRESSED_BYTES) return { body };
  const best = preferences(acceptEncoding ?? "")
    .filter(({ name, weight }) => weight > 0 && Object.hasOwn(COMPRESSORS, name))
    .sort((a, b) => b.weight - a.weight)[0];
  const compress = best === undefined ? undefined : COMPRESSORS[best.name];
  if (!best || !compress) return { body };
  return { body: await compress(body), encoding: best.name };
}
