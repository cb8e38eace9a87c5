// SPDX-License-Identifier: Apache-2.0

/** One field of a message as it stands on the wire (protobuf encoding, "Message Structure"). */
export type WireField =
  | { readonly number: number; readonly kind: "varint"; readonly value: bigint }
  | { readonly number: number; readonly kind: "bytes"; readonly value: Buffer };

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const MAX_VARINT_BYTES = 10;

/**
 * Reads the fields of one message. Fixed-size and group fields do not occur in Kubernetes' messages.
 * @throws RangeError when the bytes are no message.
 */
export function readFields(bytes: Buffer): readonly WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("a number is cut off");
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if ((byte & 0x80) === 0) return BigInt.asUintN(64, value);
    }
    throw new RangeError("a number is longer than 64 bits");
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Number(key >> 3n);
    const type = Number(key & 7n);
    if (number < 1 || number > 2 ** 29 - 1) throw new RangeError(`${number} is no field number`);
    if (type === VARINT) fields.push({ number, kind: "varint", value: varint() });
    else if (type === LENGTH_DELIMITED) {
      const length = Number(varint());
      if (length > bytes.length - at) throw new RangeError(`field ${number} is cut off`);
      fields.push({ number, kind: "bytes", value: bytes.subarray(at, at + length) });
      at += length;
    } else throw new RangeError(`field ${number} has the wire type ${type}, which Kubernetes does not use`);
  }
  return fields;
}
