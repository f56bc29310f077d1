/** Making the derived files of an image again, when some of them are gone. */

import type { DiffId } from '../oci/digest.ts';
import { pairLayers, parseImageConfig } from '../oci/image-config.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import type { LayerIndex } from '../oci/layer-index.ts';
import type { OperationOptions } from '../progress.ts';
import { openBlob, readSmallBlob } from '../store/blob-store.ts';
import { hasLayer, LayerIngest } from '../store/ingest.ts';
import type { ImageRecord } from '../store/layout-index.ts';
import { storeAssembled } from './assemble-image.ts';
import { storeLayer } from './fetch-layer.ts';

/**
 * Makes what is missing of an image's layers, root file system and summary from its blobs, without
 * the network. What is there is not looked into: `verifyImages` does that.
 *
 * @throws EngineError `STORE_CORRUPT` when a blob is missing, too; then only a fetch helps
 */
export async function restoreImage(
  dataDir: string,
  { imageId, manifest: descriptor }: Pick<ImageRecord, 'imageId' | 'manifest'>,
  options: OperationOptions,
): Promise<void> {
  const where = `manifest ${descriptor.digest}`;
  const bytes = readSmallBlob(dataDir, descriptor.digest, MAX_DOCUMENT_BYTES);
  const document = parseManifestDocument(bytes, descriptor.mediaType, where);
  if (document.kind !== 'manifest') throw new Error(`${where} is an index`);
  const { manifest } = document;
  const configBytes = readSmallBlob(dataDir, imageId, MAX_DOCUMENT_BYTES);
  const config = parseImageConfig(configBytes, `config ${imageId}`);
  const onProgress = options.onProgress ?? (() => {});
  const waiting = options.signal === undefined ? {} : { signal: options.signal };
  const known = new Map<DiffId, LayerIndex>();
  for (const layer of pairLayers(manifest, config, where)) {
    if (hasLayer(dataDir, layer.diffId)) continue;
    const { digest } = layer.descriptor;
    await using ingest = await LayerIngest.begin(dataDir, digest, waiting);
    const source = openBlob(dataDir, digest);
    const wanted = { ...layer, label: `layer ${digest}` };
    const request = { source, isBlobHere: true, onProgress, ...waiting };
    known.set(layer.diffId, await storeLayer(wanted, ingest, request));
  }
  const stored = { imageId, manifestDescriptor: descriptor, manifest, config };
  storeAssembled(dataDir, stored, { known, onProgress });
}
