/**
 * How a layer blob is compressed, told from its first bytes as docker does: registries hold layers
 * whose media type says gzip and that are zstd, or not compressed at all.
 */
import { EngineError } from '../errors.ts';
import { isZeroBlock, parseTarHeader, TAR_BLOCK } from './tar-header.ts';

/** The compressions that dray reads. */
export type LayerCompression = 'gzip' | 'zstd' | 'none';

/** How many first bytes `detectCompression` wants to see, if the blob has that many. */
export const DETECTION_BYTES = TAR_BLOCK;

const MAGICS: readonly (readonly [hex: string, name: string])[] = [
  ['1f8b08', 'gzip'],
  ['28b52ffd', 'zstd'],
  ['425a68', 'bzip2'],
  ['fd377a585a00', 'xz'],
  ['5d0000', 'lzma'],
  ['04224d18', 'lz4'],
];

/**
 * The compression of the blob that begins with `head`. An empty blob is an empty tar.
 *
 * @param declared what the media type says, for the error.
 * @throws EngineError `MEDIA_TYPE_UNSUPPORTED` naming both.
 */
export function detectCompression(head: Buffer, declared: LayerCompression): LayerCompression {
  const found = magicName(head);
  if (found === 'gzip' || found === 'zstd') return found;
  if (found === undefined && (declared === 'none' || looksLikeTar(head))) return 'none';
  const says = declared === 'none' ? 'uncompressed tar' : declared;
  const bytes = head.subarray(0, 6).toString('hex');
  throw new EngineError(
    'MEDIA_TYPE_UNSUPPORTED',
    `its media type says ${says}, but its contents are ${found ?? 'of an unknown kind'} (they begin with the bytes ${bytes})`,
    { hint: 'Build the image again with gzip or zstd layers.' },
  );
}

function magicName(head: Buffer): string | undefined {
  // A zstd stream may begin with a skippable frame: 0x184D2A50 to 0x184D2A5F, little endian.
  if (head.length >= 4 && (head.readUInt32LE(0) & 0xfffffff0) === 0x184d2a50) return 'zstd';
  const hex = head.subarray(0, 8).toString('hex');
  return MAGICS.find(([magic]) => hex.startsWith(magic))?.[1];
}

function looksLikeTar(head: Buffer): boolean {
  if (head.length === 0) return true;
  if (head.length < TAR_BLOCK) return false;
  const block = head.subarray(0, TAR_BLOCK);
  if (isZeroBlock(block)) return true;
  try {
    parseTarHeader(block, 0);
    return true;
  } catch (error) {
    if (error instanceof EngineError) return false;
    throw error;
  }
}
