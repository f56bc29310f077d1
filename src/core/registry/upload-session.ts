/**
 * Upload sessions (distribution-spec, "Pushing blobs"): POST begins one, every answer names the URL to
 * go on at, GET asks how much has arrived, DELETE gives it up.
 */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest } from '../oci/digest.ts';
import type { Answer } from './exchange.ts';
import { headerOf } from './registry-error.ts';
import type { Transport } from './transport.ts';
import type { VerifiedContent } from './upload-content.ts';

/** How long a registry may take to forget an upload that nobody waits for. */
const CANCEL_TIMEOUT_MS = 2_000;
const OCTETS = 'application/octet-stream';

/** A blob on its way to a repository. */
export interface BlobUpload {
  readonly transport: Transport;
  readonly repository: string;
  readonly descriptor: Descriptor;
  readonly content: VerifiedContent;
  /** Scopes of the token, separated by spaces. */
  readonly scope: string;
  /** Names the blob and where it goes in messages. */
  readonly where: string;
  /** Is told how many bytes of the blob have been given to the connection. */
  readonly onSent: ((sentBytes: number) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** An upload that the registry has begun. */
export interface UploadSession {
  /** Where the next request goes. */
  url: URL;
  /** Bytes of the blob that the registry has. */
  position: number;
  /** The last request ended without an answer: ask before going on. */
  isUncertain: boolean;
  /** The least that a chunk but the last may have; 0 unless the registry said so. */
  readonly minChunkBytes: number;
}

/** A blob that is there now without an upload, or the session to upload it in. */
export type Mounted = 'mounted' | UploadSession;

/** What the client says it does, for errors. */
export function pushing({ where }: Pick<BlobUpload, 'where'>): string {
  return `push ${where}`;
}

/** Begins an upload. @throws EngineError as `Transport.open` and `Transport.locationOf` */
export async function startSession(upload: BlobUpload): Promise<UploadSession> {
  const answer = await upload.transport.open({
    method: 'POST',
    path: `/v2/${upload.repository}/blobs/uploads/`,
    scope: upload.scope,
    doing: pushing(upload),
    headers: {},
    expects: [202],
    signal: upload.signal,
  });
  await answer.body.discard();
  return sessionOf(upload, answer);
}

/**
 * Asks the registry to take the blob from another of its repositories, where the caller may read it.
 * A registry that does not know how, or does not find it there, begins an upload instead.
 *
 * @returns undefined when it did neither.
 */
export async function mountBlob(upload: BlobUpload, from: string): Promise<Mounted | undefined> {
  const { transport, repository, descriptor } = upload;
  const query = new URLSearchParams({ mount: descriptor.digest, from });
  try {
    const answer = await transport.open({
      method: 'POST',
      path: `/v2/${repository}/blobs/uploads/?${query}`,
      scope: `${upload.scope} repository:${from}:pull`,
      doing: `mount ${upload.where} from ${quote(from)}`,
      headers: {},
      expects: [201, 202],
      signal: upload.signal,
    });
    await answer.body.discard();
    if (answer.status === 202) return sessionOf(upload, answer);
    checkStoredDigest(answer, upload);
    return 'mounted';
  } catch (error) {
    // Without the right to read there, or without mounts at all, the blob can still be uploaded.
    if (error instanceof EngineError && MOUNT_REFUSALS.includes(error.code)) return undefined;
    throw error;
  }
}

const MOUNT_REFUSALS: readonly string[] = [
  'REGISTRY_UNAUTHORIZED',
  'REGISTRY_NOT_FOUND',
  'REGISTRY_RESPONSE_INVALID',
];

function sessionOf(upload: BlobUpload, answer: Answer): UploadSession {
  const minimum = headerOf(answer, 'oci-chunk-min-length') ?? '';
  return {
    url: upload.transport.locationOf(answer, pushing(upload)),
    position: 0,
    isUncertain: false,
    minChunkBytes: /^[0-9]{1,12}$/.test(minimum) ? Number(minimum) : 0,
  };
}

/** Sends the bytes from the session's position up to `end` as one chunk. The answer is any of `expects`. */
export async function sendChunk(
  upload: BlobUpload,
  session: UploadSession,
  { end, expects }: { readonly end: number; readonly expects: readonly number[] },
): Promise<Answer> {
  const start = session.position;
  return upload.transport.open({
    method: 'PATCH',
    path: session.url,
    scope: upload.scope,
    doing: pushing(upload),
    headers: { 'content-type': OCTETS, 'content-range': `${start}-${end - 1}` },
    body: { sizeBytes: end - start, open: () => counted(upload, start, end) },
    patienceMs: commitMs(end - start),
    expects,
    signal: upload.signal,
  });
}

/** Closes the session with the blob's digest; `withBody` sends all of the blob along. */
export async function closeSession(
  upload: BlobUpload,
  session: UploadSession,
  { withBody, expects }: { readonly withBody: boolean; readonly expects: readonly number[] },
): Promise<Answer> {
  const { size, digest } = upload.descriptor;
  // Not through URLSearchParams, which would write the registry's own query in another way.
  const url = new URL(session.url);
  url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`;
  return upload.transport.open({
    method: 'PUT',
    path: url,
    scope: upload.scope,
    doing: pushing(upload),
    headers: { 'content-type': OCTETS },
    ...(withBody ? { body: { sizeBytes: size, open: () => counted(upload, 0, size) } } : {}),
    patienceMs: commitMs(size),
    expects,
    signal: upload.signal,
  });
}

/** A registry hashes or copies what it got before it answers: a second for each 10 MB. */
function commitMs(bytes: number): number {
  return bytes / 10_000;
}

async function* counted(upload: BlobUpload, start: number, end: number): AsyncGenerator<Buffer> {
  let at = start;
  for await (const chunk of upload.content.part(start, end)) {
    upload.onSent?.(at);
    yield chunk;
    at += chunk.length;
  }
  upload.onSent?.(at);
}

/**
 * Asks how much of an upload has arrived.
 *
 * @returns undefined when the registry has given it up, or claims more than was ever sent.
 */
export async function askSession(
  upload: BlobUpload,
  session: UploadSession,
  sentBytes: number,
): Promise<UploadSession | undefined> {
  const answer = await upload.transport.open({
    method: 'GET',
    path: session.url,
    scope: upload.scope,
    doing: `ask how much has arrived of ${upload.where}`,
    headers: {},
    expects: [200, 202, 204, 400, 404, 405, 410, 416],
    signal: upload.signal,
  });
  await answer.body.discard();
  const held = answer.status < 300 ? heldBytes(answer) : undefined;
  if (held === undefined || held > sentBytes) return undefined;
  const url = nextUrl(upload, session, answer);
  return { ...session, url, position: held, isUncertain: false };
}

/** Where to go on after `answer`; a registry that names no new place means the old one. */
export function nextUrl(upload: BlobUpload, session: UploadSession, answer: Answer): URL {
  return headerOf(answer, 'location') === undefined
    ? session.url
    : upload.transport.locationOf(answer, pushing(upload));
}

/**
 * Bytes that the registry has, from `Range: 0-LAST`; undefined when it does not say.
 *
 * `0-0` is what registries say of nothing at all; no chunk is one byte long.
 */
export function heldBytes(answer: Answer): number | undefined {
  const last = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(headerOf(answer, 'range') ?? '')?.[1];
  if (last === undefined) return undefined;
  return last === '0' ? 0 : Number(last) + 1;
}

/** Lets the registry forget an upload. Never fails, and waits two seconds at most. */
export async function cancelSession(upload: BlobUpload, session: UploadSession): Promise<void> {
  try {
    const answer = await upload.transport.open({
      method: 'DELETE',
      path: session.url,
      scope: upload.scope,
      doing: `give up the upload of ${upload.where}`,
      headers: {},
      expects: [200, 202, 204],
      signal: AbortSignal.timeout(CANCEL_TIMEOUT_MS),
    });
    await answer.body.discard();
  } catch (error) {
    // Registries forget uploads by themselves after a while.
    if (!(error instanceof EngineError)) throw error;
  }
}

/** @throws EngineError `DIGEST_MISMATCH` when the registry states that it stored something else */
export function checkStoredDigest(
  answer: Answer,
  { descriptor, where }: Pick<BlobUpload, 'descriptor' | 'where'>,
): void {
  const stated = headerOf(answer, 'docker-content-digest');
  // A registry may state it by another algorithm, which says nothing.
  if (!isDigest(stated) || stated === descriptor.digest) return;
  if (stated.split(':')[0] !== descriptor.digest.split(':')[0]) return;
  throw new EngineError(
    'DIGEST_MISMATCH',
    `the registry stored something else than ${where}: it states the digest ${quote(stated)}`,
  );
}
