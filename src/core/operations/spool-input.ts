/**
 * Archives as they are handed to us: a file or a stream, compressed or not. What cannot be read by
 * position is spooled to a file without a name on the store's file system, which is gone with us.
 */
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { readRange } from '../host/read-range.ts';
import { Decompressor } from '../layer/decompressor.ts';
import { DEFAULT_LAYER_LIMITS, maxTarBytesOf } from '../layer/limits.ts';
import { openRegularFile } from '../layout/regular-file.ts';
import type { OpenArchive } from '../layout/tar-members.ts';
import { withStoreErrorsAsync } from '../store/store-error.ts';
import { openUnnamedFile } from '../store/unnamed-file.ts';

/** Where an archive comes from. `label` is how errors name it; default the path. */
export type ArchiveInput =
  | { readonly path: string; readonly label?: string }
  | { readonly stream: AsyncIterable<Buffer>; readonly label: string };

/** How an archive as a whole is compressed. */
export type ArchiveCompression = 'none' | 'gzip' | 'zstd';

/** What spooling needs to know. */
export interface SpoolOptions {
  readonly dataDir: string;
  readonly signal?: AbortSignal;
}

/**
 * The input as a regular file that can be read by position, its bytes as they came. The caller closes
 * it.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_INVALID` for anything but a file, `STORE_UNUSABLE`
 */
export async function openInput(
  input: ArchiveInput,
  { dataDir, signal }: SpoolOptions,
): Promise<OpenArchive> {
  if (!('path' in input)) {
    const fd = await spooled(dataDir, async (write) => {
      for await (const bytes of input.stream) {
        signal?.throwIfAborted();
        write(bytes);
      }
      signal?.throwIfAborted();
    });
    return { fd, label: input.label };
  }
  const { path, label = path } = input;
  try {
    return { fd: openRegularFile(path), label };
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'ENOTDIR')) throw error;
    throw new EngineError('IMAGE_NOT_FOUND', `there is no file ${quote(path)}`, { cause: error });
  }
}

/**
 * The archive without its compression; one that has none is returned as it is. Takes `archive` over
 * and closes it in every other case.
 *
 * @throws EngineError `IMAGE_INVALID` for what cannot be inflated, `STORE_UNUSABLE`
 */
export async function inflated(
  archive: OpenArchive,
  { dataDir, signal }: SpoolOptions,
): Promise<OpenArchive> {
  let isKept = false;
  try {
    const compression = compressionOf(archive);
    isKept = compression === 'none';
    if (isKept) return archive;
    const fd = await spooled(dataDir, (write) => inflate(archive, write, signal));
    return { fd, label: archive.label };
  } finally {
    if (!isKept) closeSync(archive.fd);
  }
}

/**
 * Gives the uncompressed bytes of an archive to `onOutput`, in order.
 *
 * @throws EngineError `IMAGE_INVALID`, also for what inflates to an absurd size
 */
export async function inflate(
  archive: OpenArchive,
  onOutput: (bytes: Buffer) => void,
  signal?: AbortSignal,
): Promise<void> {
  const compression = compressionOf(archive);
  const sizeBytes = fstatSync(archive.fd).size;
  const source = readRange(archive.fd, 0, sizeBytes);
  if (compression === 'none') {
    for await (const bytes of source) onOutput(bytes);
    return;
  }
  const limit = maxTarBytesOf(sizeBytes, DEFAULT_LAYER_LIMITS);
  let inflatedBytes = 0;
  using stage = new Decompressor(compression, (bytes) => {
    inflatedBytes += bytes.length;
    if (inflatedBytes > limit) throw bomb(archive.label, limit);
    onOutput(bytes);
  });
  try {
    for await (const bytes of source) {
      signal?.throwIfAborted();
      await stage.write(bytes);
    }
    await stage.end();
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'LAYER_INVALID')) throw error;
    throw new EngineError('IMAGE_INVALID', `${quote(archive.label)}: ${error.message}`, {
      cause: error,
    });
  }
}

const OTHER_COMPRESSIONS: readonly (readonly [magic: string, tool: string])[] = [
  ['fd377a585a00', 'xz'],
  ['425a68', 'bzip2'],
  ['5d0000', 'lzma'],
  ['04224d18', 'lz4'],
];

/**
 * How an archive is compressed, by its first bytes.
 *
 * @throws EngineError `IMAGE_INVALID` for a compression that is not read here, naming its tool
 */
export function compressionOf({ fd, label }: OpenArchive): ArchiveCompression {
  const head = Buffer.alloc(6);
  readSync(fd, head, 0, head.length, 0);
  const hex = head.toString('hex');
  if (hex.startsWith('1f8b08')) return 'gzip';
  if (hex.startsWith('28b52ffd')) return 'zstd';
  const [, tool] = OTHER_COMPRESSIONS.find(([magic]) => hex.startsWith(magic)) ?? [];
  if (tool === undefined) return 'none';
  throw new EngineError(
    'IMAGE_INVALID',
    `${quote(label)} is compressed with ${tool}; expected gzip, zstd or no compression`,
    { hint: `Send "${tool} -dc FILE" to standard input instead.` },
  );
}

type Write = (bytes: Buffer) => void;

/** A new file without a name that holds what `fill` writes. */
async function spooled(dataDir: string, fill: (write: Write) => Promise<void>): Promise<number> {
  const fd = openUnnamedFile(dataDir);
  let position = 0;
  const write = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; ) {
      const count = writeSync(fd, bytes, at, bytes.length - at, position);
      at += count;
      position += count;
    }
  };
  try {
    await withStoreErrorsAsync('spool the archive in', dataDir, () => fill(write));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function bomb(label: string, limit: number): EngineError {
  return new EngineError(
    'IMAGE_INVALID',
    `${quote(label)} inflates to more than ${limit} bytes, which no archive of its size does`,
  );
}
