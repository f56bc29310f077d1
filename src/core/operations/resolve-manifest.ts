/** From what a reference points to, through indexes, to the manifest and config of one platform. */

import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import {
  type ImageConfig,
  type ImageLayer,
  pairLayers,
  parseImageConfig,
} from '../oci/image-config.ts';
import { type ImageManifest, parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { formatPlatform, hostPlatform, type Platform, selectByPlatform } from '../oci/platform.ts';
import type { OnProgress } from '../progress.ts';
import type { ImageTransport, ManifestBytes } from './image-transport.ts';

/** One image as its source describes it. Nothing of it is in the store yet. */
export interface ResolvedImage {
  /** What the reference points to at its source: an index perhaps. */
  readonly resolvedDigest: Digest;
  readonly manifestDescriptor: Descriptor;
  readonly manifestBytes: Buffer;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** The manifest's layers, each with the diffID that the config gives it; lowest first. */
  readonly layers: readonly ImageLayer[];
}

// An index may name an index. Two levels are seen in the wild; a loop must end somewhere.
const DEEPEST_INDEX = 4;
/** The part of a transport that is needed to resolve an image. */
export type ManifestSource = Pick<ImageTransport, 'source' | 'top' | 'manifest' | 'smallBlob'>;

/** Options of `resolveManifest`. */
export interface ResolveOptions {
  /** What the user asked for; without one, the host's. */
  readonly platform?: Platform;
  readonly onProgress: OnProgress;
  /**
   * Judges what was found, and throws to refuse it, before anything else of the image is asked for:
   * what the reference points to, and the manifest that it led to.
   */
  readonly accept?: (top: ManifestBytes, manifest: ManifestBytes) => Promise<void>;
}

/**
 * Reads manifest and config of the image that `transport` points to.
 *
 * Without a platform asked for, an image that is not built for the host is accepted with a warning
 * when its source offers nothing else.
 *
 * @throws EngineError `IMAGE_INVALID`, `PLATFORM_NOT_FOUND`, `MEDIA_TYPE_UNSUPPORTED`,
 *   `SIZE_MISMATCH`, `DIGEST_MISMATCH`, those of the transport, and what `accept` throws
 */
export async function resolveManifest(
  transport: ManifestSource,
  { platform, onProgress, accept }: ResolveOptions,
): Promise<ResolvedImage> {
  const top = await transport.top();
  const { document, manifest } = await descend(transport, top, platform ?? hostPlatform());
  await accept?.(top, document);
  const where = `manifest ${document.digest}`;
  const configBytes = await transport.smallBlob(manifest.config, MAX_DOCUMENT_BYTES);
  const config = parseImageConfig(configBytes, `config ${manifest.config.digest}`);
  const layers = pairLayers(manifest, config, where);
  checkPlatform(config, platform, onProgress);
  return {
    resolvedDigest: top.digest,
    manifestDescriptor: {
      mediaType: manifest.mediaType,
      digest: document.digest,
      size: document.bytes.length,
    },
    manifestBytes: document.bytes,
    manifest,
    config,
    layers,
  };
}

async function descend(
  transport: ManifestSource,
  top: ManifestBytes,
  wanted: Platform,
): Promise<{ document: ManifestBytes; manifest: ImageManifest }> {
  let document = top;
  for (let depth = 0; depth <= DEEPEST_INDEX; depth += 1) {
    const where = `manifest ${document.digest} from ${quote(transport.source)}`;
    const parsed = parseManifestDocument(document.bytes, document.mediaType, where);
    if (parsed.kind === 'manifest') return { document, manifest: parsed.manifest };
    document = await transport.manifest(selectByPlatform(parsed.index.manifests, wanted));
  }
  throw new EngineError(
    'IMAGE_INVALID',
    `the index ${top.digest} leads to another index more than ${DEEPEST_INDEX} times`,
  );
}

function checkPlatform(
  config: ImageConfig,
  asked: Platform | undefined,
  onProgress: OnProgress,
): void {
  const wanted = asked ?? hostPlatform();
  if (config.os === wanted.os && config.architecture === wanted.architecture) return;
  const message = `the image is for ${quote(formatPlatform(config))}, not for ${formatPlatform(wanted)}`;
  if (asked !== undefined || config.os !== 'linux') {
    throw new EngineError('PLATFORM_NOT_FOUND', message);
  }
  onProgress({ type: 'warning', message });
}
