/** One layer of `image verify`: its blob, and the files derived from it. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import { compareDataSink, nullDataSink } from '../layer/data-sink.ts';
import { ingestLayer } from '../layer/ingest-layer.ts';
import type { LayerIndex } from '../oci/layer-index.ts';
import { layerCompression } from '../oci/media-type.ts';
import type { OperationOptions } from '../progress.ts';
import { hasBlob, openBlob } from '../store/blob-store.ts';
import { LayerIngest, removeLayer } from '../store/ingest.ts';
import { layerDataPath, layerIndexPath } from '../store/store-paths.ts';
import { storeLayer, type WantedLayer } from './fetch-layer.ts';
import { noteDamagedBlob, type RepairRun } from './verify-blob.ts';

/** What verifying a layer needs besides the layer. */
export interface LayerVerifyRun extends RepairRun {
  readonly options: OperationOptions;
}

/**
 * Reads a layer's blob once, which verifies it and gives what its index and its data file must be;
 * makes them again where they differ and can be written.
 *
 * @returns the layer index, undefined when the blob is damaged.
 */
export async function verifyLayer(
  dataDir: string,
  layer: WantedLayer,
  run: LayerVerifyRun,
): Promise<LayerIndex | undefined> {
  const { digest } = layer.descriptor;
  if (!hasBlob(dataDir, digest)) {
    run.note(`${layer.label}: its blob is missing`, false);
    return undefined;
  }
  const compared = await compareLayer(dataDir, layer, run);
  if (compared === undefined || compared.isDataEqual) return compared?.index;
  if (run.canRepair) await rebuildLayer(dataDir, layer, run);
  return compared.index;
}

interface ComparedLayer {
  readonly index: LayerIndex;
  readonly isDataEqual: boolean;
}

async function compareLayer(
  dataDir: string,
  layer: WantedLayer,
  { note, canRepair, options }: LayerVerifyRun,
): Promise<ComparedLayer | undefined> {
  const { digest, size, mediaType } = layer.descriptor;
  const dataFd = openIfThere(layerDataPath(dataDir, layer.diffId));
  const sink =
    dataFd === undefined ? { ...nullDataSink(), isEqual: false } : compareDataSink(dataFd);
  try {
    const index = await ingestLayer({
      source: openBlob(dataDir, digest),
      compression: layerCompression(mediaType, layer.label),
      expected: { digest, size, diffId: layer.diffId },
      dataSink: sink,
      label: layer.label,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const isIndexEqual = readIfThere(layerIndexPath(dataDir, layer.diffId))?.equals(index.encode());
    if (!sink.isEqual) note(`${layer.label}: its layer data file was missing or damaged`, true);
    else if (!isIndexEqual) note(`${layer.label}: its layer index was missing or damaged`, true);
    return { index, isDataEqual: sink.isEqual && isIndexEqual === true };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    noteDamagedBlob(dataDir, { descriptor: layer.descriptor, error, note, canRepair });
    return undefined;
  } finally {
    if (dataFd !== undefined) closeSync(dataFd);
  }
}

/** A container that runs from the damaged files keeps them; the next one gets the new ones. */
async function rebuildLayer(
  dataDir: string,
  layer: WantedLayer,
  { options }: LayerVerifyRun,
): Promise<void> {
  const { digest } = layer.descriptor;
  await using ingest = await LayerIngest.begin(dataDir, digest, {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  removeLayer(dataDir, layer.diffId);
  await storeLayer(layer, ingest, {
    source: openBlob(dataDir, digest),
    isBlobHere: true,
    onProgress: () => {},
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
