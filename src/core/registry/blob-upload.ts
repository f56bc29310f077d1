/**
 * Uploads one blob, whatever happens to the connection.
 *
 * | blob | upload |
 * |---|---|
 * | up to 128 MiB | POST, then PUT with all bytes: what every registry takes |
 * | larger | POST, PATCH for each 64 MiB, PUT: what arrived before a cut is not sent again |
 * | refused as too large (413), or the PUT unknown (405) | chunks, smaller ones each time |
 * | chunks refused | one piece |
 *
 * After a cut the registry is asked how much it has; one that gave the upload up gets it anew.
 */
import { EngineError } from '../errors.ts';
import { hasBlob } from './blob-presence.ts';
import type { Answer } from './exchange.ts';
import { statusError } from './registry-error.ts';
import {
  askSession,
  type BlobUpload,
  cancelSession,
  checkStoredDigest,
  closeSession,
  heldBytes,
  nextUrl,
  pushing,
  sendChunk,
  startSession,
  type UploadSession,
} from './upload-session.ts';

/** Sizes of uploads, in bytes. */
export interface UploadSizes {
  /** A blob up to this goes in one piece. */
  readonly wholeBytes: number;
  /** The chunks of a larger one. */
  readonly chunkBytes: number;
}

export const DEFAULT_UPLOAD_SIZES: UploadSizes = {
  wholeBytes: 128 * 1024 * 1024,
  chunkBytes: 64 * 1024 * 1024,
};

/** A cut after this much counts as progress: the attempts begin anew. */
const PROGRESS_BYTES = 1024 * 1024;
/** A proxy that refuses even this is not configured for images. */
const SMALLEST_CHUNK = 512 * 1024;
/** The first chunks for a registry, or a proxy before it, that refused a body as too large. */
const CAREFUL_CHUNK = 4 * 1024 * 1024;
/** How often a registry may lose track of an upload before it is taken for broken. */
const MOST_SETBACKS = 4;

/** Answers that another way of uploading may avoid. */
const REFUSALS: readonly number[] = [400, 404, 405, 411, 413, 415, 416, 501];

/**
 * Uploads the blob.
 *
 * Resolving means that the registry has it. The first pass over its bytes verifies them, and a blob
 * that is damaged is never completed at the registry.
 *
 * @param first a session that a mount has begun.
 * @throws EngineError those of `Transport.open`; `SIZE_MISMATCH` and `DIGEST_MISMATCH` when the bytes
 * are not what the descriptor says, or the registry states that it stored something else.
 */
export async function uploadBlob(
  upload: BlobUpload,
  sizes: UploadSizes,
  first: UploadSession | undefined,
): Promise<void> {
  const run = new UploadRun(upload, sizes, first);
  const retrier = upload.transport.startRetrier();
  try {
    for (;;) {
      const startedAt = run.furthest;
      try {
        return await run.attempt();
      } catch (error) {
        if (error instanceof Refusal) {
          await run.adapt(error);
          continue;
        }
        if (run.furthest - startedAt >= PROGRESS_BYTES) retrier.reset();
        await retrier.pause(error, upload.signal);
      }
    }
  } catch (error) {
    await run.cancel();
    throw error;
  }
}

/** An answer that says that this way of uploading does not work here. */
class Refusal extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`status ${answer.status}`);
    this.answer = answer;
  }
}

/** The state of one upload over all its attempts. */
class UploadRun {
  /** Bytes that the registry has confirmed at most. */
  furthest = 0;
  readonly #upload: BlobUpload;
  #session: UploadSession | undefined;
  /** A body was sent to the session that cannot be taken up again. */
  #isSpent = false;
  /** Undefined: in one piece. */
  #chunkBytes: number | undefined;
  #setbacks = 0;
  #wasWholeRefused = false;
  #wereChunksRefused = false;
  /** The last request may have completed the upload although no answer came. */
  #mayBeComplete = false;
  #sentBytes = 0;

  constructor(upload: BlobUpload, sizes: UploadSizes, first: UploadSession | undefined) {
    this.#upload = upload;
    this.#session = first;
    this.#chunkBytes = upload.descriptor.size > sizes.wholeBytes ? sizes.chunkBytes : undefined;
  }

  /** One attempt, going on from where the last one ended. */
  async attempt(): Promise<void> {
    if (this.#mayBeComplete && (await hasBlob(this.#upload))) return;
    this.#mayBeComplete = false;
    const session = await this.#openSession();
    if (this.#chunkBytes !== undefined) await this.#sendChunks(session);
    const isWhole = this.#chunkBytes === undefined;
    this.#mayBeComplete = true;
    this.#isSpent = isWhole;
    session.isUncertain = true;
    const answer = await closeSession(this.#upload, session, {
      withBody: isWhole,
      expects: [201, 204, ...REFUSALS],
    });
    this.#mayBeComplete = false;
    if (REFUSALS.includes(answer.status)) throw new Refusal(answer);
    await answer.body.discard();
    this.#session = undefined;
    checkStoredDigest(answer, this.#upload);
  }

  /**
   * Chooses another way after a refusal.
   *
   * @throws EngineError what the answer means when there is none left
   */
  async adapt({ answer }: Refusal): Promise<void> {
    const { status } = answer;
    const error = await statusError(answer, pushing(this.#upload));
    this.#setbacks += 1;
    if (this.#setbacks > MOST_SETBACKS) throw error;
    if (this.#chunkBytes === undefined) this.#adaptWhole(status, error);
    else this.#adaptChunks(status, this.#chunkBytes, error);
  }

  /** Lets the registry forget an upload that failed. */
  async cancel(): Promise<void> {
    if (this.#session !== undefined) await cancelSession(this.#upload, this.#session);
  }

  #adaptWhole(status: number, error: EngineError): void {
    const isLost = status === 404 || status === 416;
    if (!isLost) {
      const mayHelp = (status === 413 || status === 405) && !this.#wereChunksRefused;
      if (!mayHelp) throw error;
      this.#wasWholeRefused = true;
      this.#chunkBytes = CAREFUL_CHUNK;
    }
  }

  #adaptChunks(status: number, chunkBytes: number, error: EngineError): void {
    if (status === 413) {
      if (chunkBytes <= SMALLEST_CHUNK) throw error;
      this.#chunkBytes = Math.max(SMALLEST_CHUNK, Math.floor(chunkBytes / 8));
      return;
    }
    // Out of step: what it has is asked for, and only then is it clear how to go on.
    if (status === 416 && this.#setbacks < MOST_SETBACKS) return;
    if (this.#wasWholeRefused) throw error;
    this.#wereChunksRefused = true;
    this.#chunkBytes = undefined;
    this.#isSpent = true;
  }

  async #openSession(): Promise<UploadSession> {
    if (this.#isSpent) this.#session = undefined;
    this.#isSpent = false;
    if (this.#session?.isUncertain === true) {
      this.#session = await askSession(this.#upload, this.#session, this.#sentBytes);
    }
    this.#session ??= await startSession(this.#upload);
    return this.#session;
  }

  async #sendChunks(session: UploadSession): Promise<void> {
    const { size } = this.#upload.descriptor;
    while (session.position < size) {
      const chunkBytes = Math.max(this.#chunkBytes ?? size, session.minChunkBytes);
      const end = Math.min(size, session.position + chunkBytes);
      session.isUncertain = true;
      this.#sentBytes = Math.max(this.#sentBytes, end);
      const expects = [202, 204, ...REFUSALS];
      const answer = await sendChunk(this.#upload, session, { end, expects });
      if (REFUSALS.includes(answer.status)) throw new Refusal(answer);
      await answer.body.discard();
      session.url = nextUrl(this.#upload, session, answer);
      this.#advance(session, heldBytes(answer) ?? end, end);
      session.isUncertain = false;
    }
  }

  /** A registry may keep less of a chunk than it was sent, but not for ever, and never more. */
  #advance(session: UploadSession, held: number, end: number): void {
    if (held > end) throw confused(this.#upload, held, end);
    if (held <= session.position) this.#setbacks += 1;
    if (this.#setbacks > MOST_SETBACKS) throw confused(this.#upload, held, end);
    session.position = held;
    this.furthest = Math.max(this.furthest, held);
  }
}

function confused(upload: BlobUpload, held: number, sent: number): EngineError {
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `cannot ${pushing(upload)}: the registry says that it has ${held} bytes after it was sent ${sent}`,
  );
}
