/** Stores for tests: temporary, filled through the real functions, and checked file by file. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  algorithmOf,
  chainIdOf,
  type DiffId,
  type Digest,
  type DigestAlgorithm,
  digestOf,
  parseDigest,
} from '../../../src/core/oci/digest.ts';
import { parseImageConfig } from '../../../src/core/oci/image-config.ts';
import { parseManifestDocument } from '../../../src/core/oci/image-manifest.ts';
import {
  BLOCK_SIZE,
  decodeLayerIndex,
  EntryType,
  LayerIndexBuilder,
} from '../../../src/core/oci/layer-index.ts';
import { hasBlob, listBlobs, putSmallBlob } from '../../../src/core/store/blob-store.ts';
import { type ImageRecord, ImageStore } from '../../../src/core/store/image-store.ts';
import { summariseImage, writeSummary } from '../../../src/core/store/image-summary.ts';
import { hasLayer, LayerIngest } from '../../../src/core/store/ingest.ts';
import { Lease } from '../../../src/core/store/lease.ts';
import { hasRootfsImage, putRootfsImage } from '../../../src/core/store/rootfs-store.ts';
import { withStoreErrorsAsync } from '../../../src/core/store/store-error.ts';
import { blobPath, layerDataPath, layerIndexPath } from '../../../src/core/store/store-paths.ts';
import { type BuiltImage, buildImage } from '../../support/image-builder.ts';

/** In memory: the root disk of a test machine may be slow at making files. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A store in a directory that goes at the end. */
export class TempStore implements Disposable {
  readonly parent = mkdtempSync(join(PARENT, 'dray-store-'));
  readonly dataDir = join(this.parent, 'store');

  open(): ImageStore {
    return ImageStore.open(this.dataDir);
  }

  [Symbol.dispose](): void {
    rmSync(this.parent, { recursive: true, force: true });
  }
}

/** A small image; equal words give equal layers, so images can share them. */
export function imageOf(...words: readonly string[]): BuiltImage {
  return buildImage({
    layers: words.map((word) => Buffer.from(`layer ${word}`.padEnd(1024, '.'))),
    compression: 'none',
    config: { Cmd: [words.join('-')], Env: ['PATH=/bin'] },
  });
}

/** The bytes of a layer data file and layer index that stand for a layer of `imageOf`. */
export function derivedOf(layer: Buffer): { readonly data: Buffer; readonly index: Buffer } {
  const data = Buffer.alloc(BLOCK_SIZE);
  layer.copy(data);
  const builder = new LayerIndexBuilder();
  builder.add({
    type: EntryType.file,
    name: `file-${digestOf(layer).slice(7, 15)}`,
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: layer.length,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    block: 0,
    link: '',
    major: 0,
    minor: 0,
    xattrs: [],
  });
  return { data, index: builder.build(1).encode() };
}

/** Brings one layer into the store as a fetch does; false when it was there. */
export async function putLayer(dataDir: string, layer: Buffer, diffId: DiffId): Promise<boolean> {
  const digest = digestOf(layer);
  await using ingest = await LayerIngest.begin(dataDir, digest);
  if (hasLayer(dataDir, diffId) && hasBlob(dataDir, digest)) return false;
  const { data, index } = derivedOf(layer);
  await withStoreErrorsAsync('write', dataDir, async () => {
    writeSync(
      ingest.blobFd,
      layer,
      ingest.keptBytes,
      layer.length - ingest.keptBytes,
      ingest.keptBytes,
    );
    writeSync(ingest.dataFd, data, 0, data.length, 0);
  });
  await ingest.commit({ diffId, index, keepBlob: true });
  return true;
}

/** The record of a built image. */
export function recordOf(image: BuiltImage, reference?: string): ImageRecord {
  return {
    ...(reference === undefined ? {} : { reference }),
    manifest: image.manifest.descriptor,
    imageId: image.imageId,
    importedAt: '2026-01-02T03:04:05.000Z',
    platform: image.platform,
  };
}

/** Everything that a fetch does with the store, in its order. Returns how many layers it had to bring. */
export async function putImage(
  store: ImageStore,
  image: BuiltImage,
  reference?: string,
): Promise<number> {
  const { dataDir } = store;
  const chainId = chainIdOf(image.diffIds);
  using lease = Lease.open(dataDir);
  await lease.hold([...image.blobs.keys(), ...image.diffIds, chainId]);
  let brought = 0;
  for (const [at, layer] of image.layers.entries()) {
    const diffId = image.diffIds[at];
    if (diffId !== undefined && (await putLayer(dataDir, layer.bytes, diffId))) brought += 1;
  }
  putSmallBlob(dataDir, image.config.bytes);
  putSmallBlob(dataDir, image.manifest.bytes);
  putRootfsImage(dataDir, chainId, Buffer.from(`rootfs ${chainId}`));
  const document = parseManifestDocument(image.manifest.bytes, undefined, 'manifest');
  if (document.kind !== 'manifest') throw new Error('the builder made an index');
  writeSummary(
    dataDir,
    summariseImage({
      imageId: image.imageId,
      manifestDescriptor: image.manifest.descriptor,
      manifest: document.manifest,
      config: parseImageConfig(image.config.bytes, 'config'),
      chainId,
      devices: image.diffIds,
    }),
  );
  await store.putReference(recordOf(image, reference));
  return brought;
}

/**
 * What is wrong with a store; empty when every promise holds: a blob has the bytes of its digest, a
 * layer with an index is complete, and a reference implies all that its image needs.
 */
export function problemsOf(dataDir: string): string[] {
  const problems: string[] = [];
  for (const digest of listBlobs(dataDir)) {
    const found = digestOf(readFileSync(blobPath(dataDir, digest)), algorithmOf(digest));
    if (found !== digest) problems.push(`blob ${digest} has the bytes of ${found}`);
  }
  for (const diffId of indexedLayers(dataDir)) {
    const path = layerIndexPath(dataDir, diffId);
    const index = decodeLayerIndex(readFileSync(path), path);
    const size = existsSync(layerDataPath(dataDir, diffId))
      ? statSync(layerDataPath(dataDir, diffId)).size
      : 0;
    if (size !== index.dataBlocks * BLOCK_SIZE) problems.push(`layer ${diffId} lacks its data`);
  }
  const store = ImageStore.open(dataDir, { create: false });
  for (const record of store.readReferences(({ problem }) => problems.push(problem))) {
    problems.push(...problemsOfImage(dataDir, record));
  }
  return problems;
}

/** What is missing of one image. */
export function problemsOfImage(dataDir: string, record: ImageRecord): string[] {
  const name = record.reference ?? record.imageId;
  const needed = (digest: Digest): string[] =>
    hasBlob(dataDir, digest) ? [] : [`${name} lacks the blob ${digest}`];
  const missing = [...needed(record.manifest.digest), ...needed(record.imageId)];
  if (missing.length > 0) return missing;
  const manifest = parseManifestDocument(
    readFileSync(blobPath(dataDir, record.manifest.digest)),
    undefined,
    name,
  );
  const config = parseImageConfig(readFileSync(blobPath(dataDir, record.imageId)), name);
  if (manifest.kind === 'manifest') {
    for (const layer of manifest.manifest.layers) missing.push(...needed(layer.digest));
  }
  for (const diffId of config.rootfs.diff_ids) {
    if (!hasLayer(dataDir, diffId)) missing.push(`${name} lacks the layer ${diffId}`);
  }
  if (!hasRootfsImage(dataDir, chainIdOf(config.rootfs.diff_ids))) {
    missing.push(`${name} lacks its root file system`);
  }
  return missing;
}

function indexedLayers(dataDir: string): DiffId[] {
  const algorithms: readonly DigestAlgorithm[] = ['sha256'];
  return algorithms.flatMap((algorithm) => {
    const directory = join(dataDir, 'layers', algorithm);
    const names = existsSync(directory) ? readdirSync(directory) : [];
    return names
      .filter((name) => name.endsWith('.index'))
      .map((name) => parseDigest(`${algorithm}:${name.split('.')[0]}`, name) as string as DiffId);
  });
}

/** Every file below a directory, relative and sorted. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

/** Nothing is in use by containers. */
export const NOT_IN_USE = { inUse: () => [] } as const;
