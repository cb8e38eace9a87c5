// SPDX-License-Identifier: Apache-2.0

/**
 * Memory of one size, used again and again. A used block has its pages already, and none is left for the garbage collector,
 * which would otherwise run more often than it has to.
 */
export class BlockPool {
  readonly blockSize: number;
  readonly #capacity: number;
  readonly #free: Buffer[] = [];

  /** `capacity`: how many unused blocks are kept. */
  constructor(blockSize: number, capacity: number) {
    this.blockSize = blockSize;
    this.#capacity = capacity;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.blockSize);
  }

  /** Takes back the memory behind any view of a block; ignores other memory. Nobody may use the block afterwards. */
  give(view: Buffer): void {
    const { buffer } = view;
    if (buffer.byteLength !== this.blockSize || this.#free.length >= this.#capacity) return;
    this.#free.push(view.length === this.blockSize ? view : Buffer.from(buffer));
  }
}
