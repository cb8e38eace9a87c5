// SPDX-License-Identifier: Apache-2.0
import { OID } from "../asn1/oids.ts";
import { DerReader, TAG } from "../asn1/reader.ts";
import { decodeOid } from "../asn1/values.ts";
import { derOid, derSequence, derSet, derUtf8 } from "../asn1/writer.ts";

/** What our certificates say in a Name; SVIDs say nothing there. */
export interface NameParts {
  readonly organization?: string;
  readonly commonName?: string;
}

/** DER of a Name. */
export function encodeName({ organization, commonName }: NameParts): Buffer {
  const part = (oid: string, text: string | undefined): Buffer[] =>
    text === undefined ? [] : [derSet(derSequence(derOid(oid), derUtf8(text)))];
  return derSequence(...part(OID.ORGANIZATION, organization), ...part(OID.COMMON_NAME, commonName));
}

/** Whether a Name holds a common name. @throws MeshError DER_INVALID */
export function hasCommonName(name: Buffer): boolean {
  const reader = new DerReader(name, "a name").enter();
  let isFound = false;
  while (!reader.isAtEnd) {
    const set = reader.enter(TAG.SET);
    while (!set.isAtEnd) {
      const attribute = set.enter();
      if (decodeOid(attribute.read(TAG.OID)) === OID.COMMON_NAME) isFound = true;
      attribute.read();
      attribute.end();
    }
  }
  return isFound;
}
