/**
 * A short life of a store, run as a process of its own so that it can be killed anywhere: two images
 * that share a layer, a tag that moves, a removal, a collection. Argument: the data directory.
 */
import { collect, removeImages } from '../../../src/core/store/collect.ts';
import { ImageStore } from '../../../src/core/store/image-store.ts';
import { imageOf, NOT_IN_USE, putImage } from './store-fixture.ts';

/** Runs the scenario. */
export async function liveShortly(dataDir: string): Promise<void> {
  const store = ImageStore.open(dataDir);
  await putImage(store, imageOf('base', 'one'), 'localhost/app:latest');
  await putImage(store, imageOf('base', 'two'), 'localhost/app:latest');
  await putImage(store, imageOf('three'), 'localhost/other:latest');
  await removeImages(store, ({ reference }) => reference === 'localhost/other:latest', NOT_IN_USE);
  await collect(store, NOT_IN_USE);
}

const dataDir = process.argv[2];
if (import.meta.main && dataDir !== undefined) await liveShortly(dataDir);
