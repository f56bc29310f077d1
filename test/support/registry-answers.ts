/** Answers of the registry in the test process. */
import type { ServerResponse } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** A blob, or the part of it that a `Range: bytes=N-` asks for. */
export function blobAnswer(bytes: Buffer | undefined, asked: unknown): Answer {
  if (bytes === undefined) return registryError(404, 'BLOB_UNKNOWN');
  const range = /^bytes=([0-9]+)-$/.exec(String(asked ?? ''));
  if (range === null) return octets(200, bytes, {});
  const start = Number(range[1]);
  if (start >= bytes.length) {
    return octets(416, Buffer.alloc(0), { 'content-range': `bytes */${bytes.length}` });
  }
  const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  return octets(206, bytes.subarray(start), { 'content-range': contentRange });
}

function octets(status: number, body: Buffer, headers: Record<string, string>): Answer {
  return {
    status,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(body.length),
      ...headers,
    },
    body,
  };
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'content-length': String(body.length),
      ...headers,
    },
    body,
  };
}

/** The error document of the distribution-spec. */
export function registryError(status: number, code: string): Answer {
  return json(status, { errors: [{ code, message: `test registry: ${code}` }] });
}

/** An answer without a body. */
export function empty(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-length': '0', ...headers }, body: Buffer.alloc(0) };
}

const ZEROS = Buffer.alloc(64 * 1024);

/** Sends zeros until the client hangs up. */
export function pourZeros(response: ServerResponse): void {
  while (!response.destroyed) {
    if (response.write(ZEROS)) continue;
    response.once('drain', () => pourZeros(response));
    return;
  }
}
