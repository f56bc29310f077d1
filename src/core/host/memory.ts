/** Giving memory back that is only kept for speed. */
import { readFileSync } from 'node:fs';
import { nativeFunction } from './ffi.ts';

const madvise = nativeFunction('madvise', {
  arguments: ['u64', 'u64', 'i32'],
  return: 'i32',
});
const MADV_DONTNEED = 4;

/**
 * Lets go of the pages of this program's code, some 25 MB. They are the file's own, so the kernel
 * brings those that are needed back from its cache; what only starting needed stays away. For a
 * process that mostly waits.
 */
export function releaseProgramPages(): void {
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    // Code is never changed after it was mapped: what is thrown away can be read again.
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ [1-9]/.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    const start = BigInt(`0x${from}`);
    // Where the kernel does not want to, the pages stay.
    madvise()(start, BigInt(`0x${to}`) - start, MADV_DONTNEED);
  }
}
