/**
 * Direct I/O (open(2), O_DIRECT): bytes go from our memory to the disk without a copy in the page
 * cache. It is an optimisation that not every file system has, so everything here may say no.
 */
import { constants, openSync } from 'node:fs';
import { addressOf } from './ffi.ts';

/** What positions, lengths and addresses must be multiples of: enough for every block device. */
export const DIRECT_ALIGNMENT = 4096;

/** Memory of `length` bytes, not zeroed, whose address direct I/O takes. */
export function alignedBuffer(length: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(length + DIRECT_ALIGNMENT);
  const excess = Number(addressOf(buffer) % BigInt(DIRECT_ALIGNMENT));
  const start = (DIRECT_ALIGNMENT - excess) % DIRECT_ALIGNMENT;
  return buffer.subarray(start, start + length);
}

/**
 * Opens the file behind `fd` once more, for reading or for writing past the page cache; undefined
 * where the file system cannot. Whoever gets it closes it.
 */
export function openDirect(fd: number, access: 'read' | 'write'): number | undefined {
  const mode = access === 'read' ? constants.O_RDONLY : constants.O_WRONLY;
  try {
    return openSync(`/proc/self/fd/${fd}`, mode | constants.O_DIRECT);
  } catch {
    // Whatever the reason, `fd` itself can be used, and says so if it cannot.
    return undefined;
  }
}
