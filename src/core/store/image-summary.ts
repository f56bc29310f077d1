/**
 * The image summary: all that `run` needs to know of an image, in one small file.
 *
 * Derived from manifest and config, so it can be made again at any time. The mtime of the file is
 * when the image was last used.
 */
import { lstatSync, utimesSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type ChainId, type DiffId, digestFromHash, type ImageId } from '../oci/digest.ts';
import { type ImageConfig, pairLayers } from '../oci/image-config.ts';
import type { ImageManifest } from '../oci/image-manifest.ts';
import { listNames } from './blob-store.ts';
import { withStoreErrors } from './store-error.ts';
import { readStoreFile, writeStoreFile } from './store-file.ts';
import { imageSummaryPath, imagesDir } from './store-paths.ts';
import { type ImageSummary, parseSummary } from './summary-parser.ts';

export type { ImageSummary } from './summary-parser.ts';

/** What a summary is made from. */
export interface SummarySource {
  readonly imageId: ImageId;
  readonly manifestDescriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  readonly chainId: ChainId;
  readonly devices: readonly DiffId[];
}

const MAX_SUMMARY_BYTES = 16 * 1024 * 1024;

/**
 * The summary of an image. Pure.
 *
 * @throws EngineError `IMAGE_INVALID` when manifest and config count different layers.
 */
export function summariseImage(source: SummarySource): ImageSummary {
  const { imageId, manifestDescriptor, manifest, config } = source;
  const { mediaType, digest, size } = manifestDescriptor;
  const { os, architecture, variant, created } = config;
  const pairs = pairLayers(manifest, config, `image ${imageId}`);
  const layers = pairs.map(({ descriptor, diffId }) => ({
    digest: descriptor.digest,
    size: descriptor.size,
    mediaType: descriptor.mediaType,
    diffId,
  }));
  return {
    version: 1,
    imageId,
    manifest: { mediaType, digest, size },
    config: { ...config.config, os, architecture, ...(variant === undefined ? {} : { variant }) },
    layers,
    chainId: source.chainId,
    devices: source.devices,
    sizeBytes: layers.reduce((sum, layer) => sum + layer.size, size + manifest.config.size),
    ...(created === undefined ? {} : { createdAt: created }),
  };
}

/**
 * The summary of an image: one read.
 *
 * @throws EngineError `STORE_CORRUPT` when it is missing or not what we write.
 */
export function readSummary(dataDir: string, imageId: ImageId): ImageSummary {
  const path = imageSummaryPath(dataDir, imageId);
  const bytes = readStoreFile(path, MAX_SUMMARY_BYTES);
  if (bytes === undefined) {
    throw new EngineError('STORE_CORRUPT', `the image summary ${quote(path)} is missing`, {
      hint: 'Fetch the image again: what is in the store is not transferred twice.',
    });
  }
  const summary = parseSummary(bytes, path);
  if (summary.imageId === imageId) return summary;
  throw new EngineError('STORE_CORRUPT', `${quote(path)} describes the image ${summary.imageId}`);
}

/**
 * Writes a summary, after all that it describes. Makes it the image that was used last. Its name is
 * durable after the next `putReference`.
 *
 * @throws EngineError `STORE_UNUSABLE`
 */
export function writeSummary(dataDir: string, summary: ImageSummary): void {
  writeStoreFile(dataDir, imageSummaryPath(dataDir, summary.imageId), JSON.stringify(summary));
}

/** All readable summaries, in no order. Damaged ones are left out. */
export function listSummaries(dataDir: string): ImageSummary[] {
  const summaries: ImageSummary[] = [];
  for (const imageId of listSummaryIds(dataDir)) {
    try {
      summaries.push(readSummary(dataDir, imageId));
    } catch (error) {
      if (!(error instanceof EngineError && error.code === 'STORE_CORRUPT')) throw error;
    }
  }
  return summaries;
}

/** The images that have a summary, readable or not. Other names are left out. */
export function listSummaryIds(dataDir: string): ImageId[] {
  return listNames(imagesDir(dataDir)).flatMap((name) => {
    const found = /^(sha256|sha512)-([0-9a-f]+)\.json$/.exec(name);
    if (found === null) return [];
    const [, algorithm, hex = ''] = found;
    const isWhole = hex.length === (algorithm === 'sha512' ? 128 : 64);
    return isWhole ? digestFromHash(algorithm === 'sha512' ? 'sha512' : 'sha256', hex) : [];
  });
}

/** Notes that an image is being used. A summary that is missing, or a read-only store, is left alone. */
export function touchLastUsed(dataDir: string, imageId: ImageId): void {
  const path = imageSummaryPath(dataDir, imageId);
  const now = new Date();
  withStoreErrors('note the use of', path, () => {
    try {
      utimesSync(path, now, now);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'EROFS')) throw error;
    }
  });
}

/** When an image was last used: run, or fetched. Undefined without a summary. */
export function lastUsedAt(dataDir: string, imageId: ImageId): Date | undefined {
  const path = imageSummaryPath(dataDir, imageId);
  return withStoreErrors('read', path, () => lstatSync(path, { throwIfNoEntry: false })?.mtime);
}
