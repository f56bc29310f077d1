/** The directory back-end's part of an image: its merged tree as a plain directory. */
import { materialiseTree } from '../rootfs/materialise.ts';
import { mergeLayers } from '../rootfs/merge-layers.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import { layerDataPath } from '../store/store-paths.ts';
import { readLayerIndex } from './assemble-image.ts';

/**
 * Writes the merged tree of an image into `directory`, which must be empty.
 *
 * @throws EngineError `STORE_CORRUPT`, `LAYER_ENTRY_REJECTED`, and errors of the file system
 */
export async function materialiseImage(
  dataDir: string,
  summary: ImageSummary,
  directory: string,
): Promise<void> {
  const diffIds = summary.layers.map((layer) => layer.diffId);
  const tree = mergeLayers(diffIds.map((diffId) => readLayerIndex(dataDir, diffId)));
  const dataFiles = diffIds.map((diffId) => layerDataPath(dataDir, diffId));
  await materialiseTree(tree, { dataFiles, directory });
}
