/** `image export`: the merged root file system of an image as a tar stream. */
import type { DiffId } from '../oci/digest.ts';
import { exportTar } from '../rootfs/export-tar.ts';
import { mergeLayers } from '../rootfs/merge-layers.ts';
import { readSummary } from '../store/image-summary.ts';
import { resolveImage } from '../store/resolve.ts';
import { layerDataPath } from '../store/store-paths.ts';
import { readLayerIndex } from './assemble-image.ts';
import type { Engine } from './engine.ts';

/**
 * The bytes of a tar file with every path of the image, as a container would first see it. Nothing
 * is mounted or unpacked: the layer indexes give the headers, the layer data files the contents.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`, `STORE_CORRUPT`
 */
export async function* exportImage(
  engine: Engine,
  input: string,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Buffer> {
  const { dataDir } = engine.settings;
  const [record] = resolveImage(engine.store.readReferences(), input);
  const diffIds = readSummary(dataDir, record.imageId).layers.map((layer) => layer.diffId);
  const tree = mergeLayers(diffIds.map((diffId) => readLayerIndex(dataDir, diffId)));
  for await (const bytes of exportTar(tree, { dataFile: dataFileOf(dataDir, diffIds) })) {
    options.signal?.throwIfAborted();
    yield bytes;
  }
}

function dataFileOf(dataDir: string, diffIds: readonly DiffId[]): (layer: number) => string {
  return (layer) => {
    const diffId = diffIds[layer];
    if (diffId === undefined) throw new Error(`the tree names layer ${layer} of ${diffIds.length}`);
    return layerDataPath(dataDir, diffId);
  };
}
