/**
 * From layers that are in the store to an image that can be run: merge the layer indexes, write the
 * root file system's metadata image, write the summary. All of it is derived: it can be done again
 * at any time from what the layers' indexes say.
 */
import { readFileSync } from 'node:fs';
import type { Descriptor } from '../oci/descriptor.ts';
import { type ChainId, chainIdOf, type DiffId, type ImageId } from '../oci/digest.ts';
import type { ImageConfig } from '../oci/image-config.ts';
import type { ImageManifest } from '../oci/image-manifest.ts';
import { decodeLayerIndex, type LayerIndex } from '../oci/layer-index.ts';
import type { OnProgress } from '../progress.ts';
import { encodeErofs, rootfsDevices } from '../rootfs/erofs-writer.ts';
import { mergeLayers } from '../rootfs/merge-layers.ts';
import type { RootfsTree } from '../rootfs/tree.ts';
import { type ImageSummary, summariseImage, writeSummary } from '../store/image-summary.ts';
import { putRootfsImage } from '../store/rootfs-store.ts';
import { layerIndexPath } from '../store/store-paths.ts';

/** An image whose blobs and layers are all in the store. */
export interface StoredImage {
  readonly imageId: ImageId;
  readonly manifestDescriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** The merged tree of an image, and the metadata image that shows it to the kernel. */
export interface AssembledRootfs {
  readonly chainId: ChainId;
  readonly tree: RootfsTree;
  /** DiffIDs whose layer data files are the image's devices, in device order. */
  readonly devices: readonly DiffId[];
  /** Bytes of the EROFS metadata image. Deterministic. */
  readonly image: Buffer;
}

/**
 * Reads the index of a layer. @throws EngineError `STORE_CORRUPT`, or ENOENT as it comes.
 */
export function readLayerIndex(dataDir: string, diffId: DiffId): LayerIndex {
  const path = layerIndexPath(dataDir, diffId);
  return decodeLayerIndex(readFileSync(path), path);
}

/**
 * Merges layers into the metadata image of their root file system.
 *
 * @param indexes one per diffID, in the same order, lowest first.
 * @throws EngineError `LAYER_ENTRY_REJECTED`
 */
export function assembleRootfs(
  diffIds: readonly DiffId[],
  indexes: readonly LayerIndex[],
  onProgress: OnProgress = () => {},
): AssembledRootfs {
  const tree = mergeLayers(indexes, {
    onWarning: (message) => onProgress({ type: 'warning', message }),
  });
  const layerNumbers = rootfsDevices(tree);
  const devices = layerNumbers.map((layer) => diffIds[layer]).filter((id) => id !== undefined);
  const chainId = chainIdOf(diffIds);
  const image = encodeErofs(tree, {
    devices: layerNumbers.map((layer) => ({ layer, blocks: indexes[layer]?.dataBlocks ?? 0 })),
    uuid: Buffer.from(chainId.slice(-64), 'hex').subarray(0, 16),
  });
  return { chainId, tree, devices, image };
}

/**
 * Writes the metadata image and the summary of an image whose layers are in the store.
 *
 * @param known indexes that are still in memory, by diffID; the others are read.
 */
export function storeAssembled(
  dataDir: string,
  stored: StoredImage,
  { known, onProgress }: { known: ReadonlyMap<DiffId, LayerIndex>; onProgress: OnProgress },
): void {
  const diffIds = stored.config.rootfs.diff_ids;
  const indexes = diffIds.map((diffId) => known.get(diffId) ?? readLayerIndex(dataDir, diffId));
  const rootfs = assembleRootfs(diffIds, indexes, onProgress);
  putRootfsImage(dataDir, rootfs.chainId, rootfs.image);
  writeSummary(dataDir, summariseAssembled(stored, rootfs));
}

/** The summary of an image whose root file system is assembled. Pure. */
export function summariseAssembled(stored: StoredImage, rootfs: AssembledRootfs): ImageSummary {
  const { chainId, devices } = rootfs;
  return summariseImage({ ...stored, chainId, devices });
}
