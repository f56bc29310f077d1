/**
 * The body of a request, sent with back-pressure.
 *
 * A body can be sent again, since a token may expire or a connection break: bytes in memory as they
 * are, and a stream by opening it once more. An answer that comes before the body's end stops the
 * sending; so does the end of the connection.
 */
import type { ClientRequest } from 'node:http';
import { EngineError } from '../errors.ts';

/** Small enough that a slow line is not taken for a stalled one, large enough to cost nothing. */
const WRITE_BYTES = 64 * 1024;

/** Bytes that are read while they are sent; each attempt opens them anew. */
export interface StreamBody {
  readonly sizeBytes: number;
  /** Gives exactly `sizeBytes` bytes. What it throws ends the request and is the request's error. */
  readonly open: () => AsyncIterable<Buffer>;
}

/** What a request carries. */
export type RequestBody = Buffer | StreamBody;

/** Bytes of a body. */
export function bodySize(body: RequestBody | undefined): number {
  if (body === undefined) return 0;
  return Buffer.isBuffer(body) ? body.length : body.sizeBytes;
}

/** A request that is being sent. */
export interface Sending {
  readonly request: ClientRequest;
  /** Aborted when nobody wants the rest: an answer came, or the request failed. */
  readonly stop: AbortSignal;
  /** The connection took some bytes. */
  readonly onSent: () => void;
}

/**
 * Sends a body and ends the request; returns early, with the request unended, when it is stopped.
 *
 * @throws what the body's stream throws; EngineError `REGISTRY_UNAVAILABLE` when it gives another
 * number of bytes than it promised.
 */
export async function sendBody(body: RequestBody | undefined, sending: Sending): Promise<void> {
  if (body !== undefined && !(await writeAll(body, sending))) return;
  sending.request.end();
}

/** False when it was stopped before the end. */
async function writeAll(body: RequestBody, sending: Sending): Promise<boolean> {
  if (Buffer.isBuffer(body)) return writeSlices(body, sending);
  let left = body.sizeBytes;
  for await (const chunk of body.open()) {
    left -= chunk.length;
    if (left < 0) break;
    if (!(await writeSlices(chunk, sending))) return false;
  }
  if (left === 0) return true;
  throw new EngineError(
    'REGISTRY_UNAVAILABLE',
    `a body of ${body.sizeBytes} bytes turned out to have ${left < 0 ? 'more' : `${left} fewer`}`,
  );
}

async function writeSlices(bytes: Buffer, sending: Sending): Promise<boolean> {
  for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
    if (sending.stop.aborted) return false;
    await writeSlice(bytes.subarray(at, at + WRITE_BYTES), sending);
  }
  return !sending.stop.aborted;
}

async function writeSlice(bytes: Buffer, { request, stop, onSent }: Sending): Promise<void> {
  if (request.write(bytes)) {
    onSent();
    return;
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const onStop = (): void => resolve();
  stop.addEventListener('abort', onStop, { once: true });
  request.once('drain', resolve);
  await promise;
  stop.removeEventListener('abort', onStop);
  request.off('drain', resolve);
  if (!stop.aborted) onSent();
}
