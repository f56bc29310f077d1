/** How much one layer may take, so that memory and disk are bounded by us and not by the image. */

/** Limits for `ingestLayer`. */
export interface LayerLimits {
  /** Bytes of the uncompressed tar, whatever the size of the blob. */
  readonly maxTarBytes: number;
  /**
   * How many times its blob a tar may be, once it is larger than `freeTarBytes`: a guard against
   * decompression bombs. Source trees reach 20; only files of zeros reach hundreds.
   */
  readonly maxExpansion: number;
  /** Tars up to this size may expand as much as they like. */
  readonly freeTarBytes: number;
  /** Bytes of the layer data file, with the holes of sparse files. */
  readonly maxDataBytes: number;
  readonly maxEntries: number;
  /** Bytes of names, link targets and extended attributes, all of which are kept in memory. */
  readonly maxNameBytes: number;
}

const GIB = 2 ** 30;

/** Far beyond the largest images in use; memory stays below about 1 GiB in the worst case. */
export const DEFAULT_LAYER_LIMITS: LayerLimits = {
  maxTarBytes: 1024 * GIB,
  maxExpansion: 250,
  freeTarBytes: 8 * GIB,
  maxDataBytes: 1024 * GIB,
  maxEntries: 4_000_000,
  maxNameBytes: GIB / 2,
};

/** The bytes of tar that a blob of `blobBytes` may hold. */
export function maxTarBytesOf(blobBytes: number, limits: LayerLimits): number {
  return Math.min(
    limits.maxTarBytes,
    Math.max(limits.freeTarBytes, blobBytes * limits.maxExpansion),
  );
}
