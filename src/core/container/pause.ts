/** Waiting inside synchronous code, for what other processes do within microseconds. */

const NEVER_CHANGES = new Int32Array(new SharedArrayBuffer(4));
const PAUSE_MS = 1;

/** Sleeps for one millisecond. */
export function pauseBriefly(): void {
  Atomics.wait(NEVER_CHANGES, 0, 0, PAUSE_MS);
}
