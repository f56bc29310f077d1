/**
 * Writing to standard output and standard error.
 *
 * Written with `writeSync`, not through `process.stdout`: making that stream costs milliseconds,
 * and `run` must neither pay them nor change the mode of descriptors that the container inherits.
 * Nothing is buffered, so the process may exit at any time.
 */
import { writeSync } from 'node:fs';
import { EngineError, hasErrno } from '../core/errors.ts';

const STDOUT = 1;
const STDERR = 2;

const isGone = { stdout: false };

/**
 * Writes results to standard output.
 *
 * Returns false once the reader has gone (`dray image list | head -1`): later output is dropped, and
 * the work goes on; who streams stops.
 *
 * @throws EngineError `HOST_CALL_FAILED` when the bytes cannot be written for another reason
 */
export function writeStdout(data: string | Uint8Array): boolean {
  if (isGone.stdout) return false;
  try {
    writeFully(STDOUT, data);
  } catch (error) {
    if (!hasErrno(error, 'EPIPE')) throw writeFailure(error);
    isGone.stdout = true;
  }
  return !isGone.stdout;
}

/** Writes one line of results. */
export function printLine(line: string): void {
  writeStdout(`${line}\n`);
}

/**
 * Writes `value` as JSON, on one line with an indent of 0; characters that a terminal could act on
 * are escaped.
 */
export function printJson(value: unknown, indent = 2): void {
  printLine(
    JSON.stringify(value, null, indent).replace(
      /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
}

/** Writes messages to standard error. A reader that has gone is no reason to fail. */
export function writeStderr(text: string): void {
  try {
    writeFully(STDERR, text);
  } catch {
    // There is nobody left to tell.
  }
}

/** Writes bytes of a container to standard error; false once the reader has gone. */
export function writeStderrBytes(bytes: Uint8Array): boolean {
  try {
    writeFully(STDERR, bytes);
    return true;
  } catch {
    return false;
  }
}

function writeFully(descriptor: number, data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  let written = 0;
  while (written < bytes.length) written += writeSome(descriptor, bytes, written);
}

/** Another process may have made the pipe non-blocking; then a full pipe is waited for. */
function writeSome(descriptor: number, bytes: Uint8Array, offset: number): number {
  try {
    return writeSync(descriptor, bytes, offset);
  } catch (error) {
    if (!hasErrno(error, 'EAGAIN')) throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    return 0;
  }
}

function writeFailure(cause: unknown): EngineError {
  // Node names the system call behind the reason.
  const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/, write$/, '');
  return new EngineError('HOST_CALL_FAILED', `cannot write to standard output: ${reason}`, {
    cause,
  });
}
