/** Layers given as tars, through the real parser, to every form that a back-end mounts. */
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileDataSink } from '../../../../src/core/layer/data-sink.ts';
import { ingestLayer } from '../../../../src/core/layer/ingest-layer.ts';
import { digestOf, parseDiffId } from '../../../../src/core/oci/digest.ts';
import type { LayerIndex } from '../../../../src/core/oci/layer-index.ts';
import type { BackendName, MountPlan, RootfsFiles } from '../../../../src/core/rootfs/backend.ts';
import { encodeErofs, rootfsDevices } from '../../../../src/core/rootfs/erofs-writer.ts';
import { materialiseTree } from '../../../../src/core/rootfs/materialise.ts';
import { mergeLayers } from '../../../../src/core/rootfs/merge-layers.ts';
import type { RootfsTree } from '../../../../src/core/rootfs/tree.ts';

/** Layers that were taken in. */
export interface IngestedLayers {
  readonly indexes: readonly LayerIndex[];
  /** The layer data files, lowest layer first. */
  readonly dataFiles: readonly string[];
}

/** Parses the tars of layers, lowest first, and keeps their data files in `directory`. */
export async function ingestTars(
  directory: string,
  tars: readonly Buffer[],
): Promise<IngestedLayers> {
  const indexes: LayerIndex[] = [];
  const dataFiles: string[] = [];
  for (const [i, tar] of tars.entries()) {
    const dataFile = join(directory, `layer-${i}.data`);
    const descriptor = openSync(dataFile, 'wx+', 0o400);
    try {
      indexes.push(await ingestTar(tar, descriptor));
    } finally {
      closeSync(descriptor);
    }
    dataFiles.push(dataFile);
  }
  return { indexes, dataFiles };
}

async function ingestTar(tar: Buffer, descriptor: number): Promise<LayerIndex> {
  const digest = digestOf(tar);
  async function* source(): AsyncGenerator<Buffer> {
    if (tar.length > 0) yield tar;
  }
  return ingestLayer({
    source: source(),
    compression: 'none',
    expected: { digest, size: tar.length, diffId: parseDiffId(digest, 'test') },
    dataSink: fileDataSink(descriptor),
    label: 'test layer',
  });
}

/** The metadata image of a tree, and the numbers of the layers that are its devices. */
export function encodeImage(
  tree: RootfsTree,
  indexes: readonly LayerIndex[],
): { image: Buffer; deviceLayers: readonly number[] } {
  const deviceLayers = rootfsDevices(tree);
  const devices = deviceLayers.map((layer) => ({ layer, blocks: indexes[layer]?.dataBlocks ?? 0 }));
  return { image: encodeErofs(tree, { devices, uuid: Buffer.alloc(16, 0xa5) }), deviceLayers };
}

/** The metadata image of layers, lowest first. */
export function imageOf(...layers: readonly LayerIndex[]): Buffer {
  return encodeImage(mergeLayers(layers), layers).image;
}

/** Writes all that any back-end needs of an image into `directory`. */
export async function storeImage(directory: string, tars: readonly Buffer[]): Promise<RootfsFiles> {
  const { indexes, dataFiles } = await ingestTars(directory, tars);
  const tree = mergeLayers(indexes);
  const { image, deviceLayers } = encodeImage(tree, indexes);
  const files = {
    imageFile: join(directory, 'rootfs.erofs'),
    dataFiles: deviceLayers.map((layer) => dataFiles[layer] ?? ''),
    directory: join(directory, 'rootfs.dir'),
  };
  writeFileSync(files.imageFile, image, { mode: 0o400 });
  mkdirSync(files.directory, { mode: 0o700 });
  await materialiseTree(tree, { dataFiles, directory: files.directory });
  return files;
}

/** A plan to mount `files`, with fresh directories for it. */
export function planMount(directory: string, backend: BackendName, files: RootfsFiles): MountPlan {
  const at = (name: string): string => join(directory, `${backend}-${name}`);
  const plan = {
    backend,
    files,
    lowerMountPoint: at('lower'),
    upperDir: at('upper'),
    workDir: at('work'),
    mountPoint: at('root'),
    volatile: true,
  };
  for (const path of [plan.lowerMountPoint, plan.upperDir, plan.workDir, plan.mountPoint]) {
    mkdirSync(path, { mode: 0o700 });
  }
  return plan;
}
