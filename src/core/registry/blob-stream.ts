/**
 * The bytes of a blob from an offset on, whatever happens to the connection.
 *
 * After a cut the next request asks for the rest with `Range`. A registry that then sends everything
 * is read from its start and the known bytes are dropped; one that answers another range is refused:
 * bytes are never appended where they do not belong. Whether they are the right ones is for the
 * reader's `DigestVerifier` to say.
 */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseContentRange } from './content-range.ts';
import type { Answer } from './exchange.ts';
import { headerOf } from './registry-error.ts';
import { TransientError } from './retry.ts';
import type { Transport } from './transport.ts';

/** A cut after this much counts as progress: the attempts begin anew. */
const PROGRESS_BYTES = 1024 * 1024;

/** Which blob, and how to ask for it. */
export interface BlobSource {
  readonly transport: Transport;
  readonly path: string;
  readonly scope: string;
  readonly descriptor: Descriptor;
  /** Names the blob in messages. */
  readonly where: string;
}

/** Yields the bytes from `offset` on, and at most one byte more than the descriptor says. */
export async function* streamBlob(
  source: BlobSource,
  options: {
    readonly offset: number;
    readonly attempts?: number | undefined;
    readonly signal: AbortSignal | undefined;
  },
): AsyncGenerator<Buffer> {
  const { size } = source.descriptor;
  const retrier = source.transport.startRetrier(options.attempts);
  const position = { at: options.offset, canRange: true };
  while (position.at < size) {
    const startedAt = position.at;
    try {
      yield* streamOnce(source, position, options.signal);
    } catch (error) {
      // A connection that hangs after the last byte costs nothing: the digest decides.
      if (error instanceof TransientError && position.at >= size) return;
      if (position.at - startedAt >= PROGRESS_BYTES) retrier.reset();
      const hasBroken = error instanceof TransientError && position.at > startedAt;
      await retrier.pause(
        hasBroken ? brokenOff(error, source, position.at) : error,
        options.signal,
      );
    }
  }
}

/** The error of a connection knows neither what was on the way nor how much of it is here. */
function brokenOff(
  error: TransientError,
  { where, descriptor }: BlobSource,
  at: number,
): TransientError {
  const message = `${where} broke off after ${at} of ${descriptor.size} bytes: ${error.message}`;
  return new TransientError(error.code, message, { cause: error });
}

interface Position {
  /** Bytes of the blob that the reader has. */
  at: number;
  /** Cleared when the registry refuses a range. */
  canRange: boolean;
}

/** One request; returns early only when another one should go on from `position`. */
async function* streamOnce(
  source: BlobSource,
  position: Position,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const { descriptor, where } = source;
  const answer = await requestFrom(source, position, signal);
  if (answer === undefined) return;
  const startedAt = position.at;
  let toSkip = answer.status === 206 ? 0 : position.at;
  for await (const chunk of answer.body.read()) {
    const skipped = Math.min(toSkip, chunk.length);
    toSkip -= skipped;
    const end = skipped + descriptor.size + 1 - position.at;
    const bytes = chunk.subarray(skipped, end);
    if (bytes.length === 0) continue;
    position.at += bytes.length;
    yield bytes;
    if (position.at > descriptor.size) return;
  }
  if (position.at >= descriptor.size) return;
  // Without a length only the end of the connection ended the body, as a cut would. A part of the
  // range is an answer, too, but one that takes an attempt, or parts of a byte would go on for ever.
  const isPart = answer.status === 206 && position.at > startedAt;
  if (isPart || !answer.body.isFramed) {
    const isMore = position.at > startedAt;
    const message = isMore ? 'the registry sent no more' : `${where} came without a byte`;
    throw new TransientError('REGISTRY_UNAVAILABLE', message);
  }
  throw wrongSize(where, `ended after ${position.at}`, descriptor.size);
}

/** The answer, checked to begin where it should; undefined when ranges turned out not to work. */
async function requestFrom(
  source: BlobSource,
  position: Position,
  signal: AbortSignal | undefined,
): Promise<Answer | undefined> {
  const { transport, path, scope, where } = source;
  const isRange = position.at > 0 && position.canRange;
  const answer = await transport.open({
    method: 'GET',
    path,
    scope,
    doing: `fetch ${where}`,
    headers: isRange ? { range: `bytes=${position.at}-` } : {},
    expects: isRange ? [200, 206, 416] : [200],
    signal,
  });
  try {
    if (answer.status === 416) {
      position.canRange = false;
      await answer.body.discard();
      return undefined;
    }
    if (answer.status === 206) checkRange(answer, position.at, source);
    else checkLength(answer, source);
    return answer;
  } catch (error) {
    answer.body.close();
    throw error;
  }
}

/** A range that begins elsewhere, goes too far or is not as long as the body is never taken. */
function checkRange(answer: Answer, at: number, { where, descriptor }: BlobSource): void {
  const header = headerOf(answer, 'content-range');
  const length = headerOf(answer, 'content-length');
  const range = parseContentRange(header);
  if (range?.start === at && range.total !== undefined && range.total !== descriptor.size) {
    throw wrongSize(where, `is announced with ${range.total}`, descriptor.size);
  }
  const isFit =
    range?.start === at &&
    range.end < descriptor.size &&
    (length === undefined || Number(length) === range.end - range.start + 1);
  if (isFit) return;
  const body = length === undefined ? '' : ` for ${quote(length)} bytes`;
  throw new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `the registry was asked for ${where} from byte ${at} and answered with the range ${quote(header ?? '')}${body}`,
  );
}

function checkLength(answer: Answer, { where, descriptor }: BlobSource): void {
  const header = headerOf(answer, 'content-length');
  if (header !== undefined && Number(header) !== descriptor.size) {
    throw wrongSize(where, `is announced with ${quote(header)}`, descriptor.size);
  }
}

function wrongSize(where: string, found: string, size: number): EngineError {
  return new EngineError(
    'SIZE_MISMATCH',
    `${where} ${found} of the ${size} bytes that its descriptor says`,
  );
}
