/**
 * One of several processes that use one store at the same time. Arguments: what to do, the data
 * directory, a number. Prints what it saw as JSON; fails when its own image is not whole.
 */
import { collect, removeImages } from '../../../src/core/store/collect.ts';
import { ImageStore } from '../../../src/core/store/image-store.ts';
import { imageOf, NOT_IN_USE, problemsOfImage, putImage } from './store-fixture.ts';

const ROUNDS = 6;

/** All fetch the same image, from a store that nobody has made yet. */
async function fetchSame(dataDir: string): Promise<number> {
  return putImage(ImageStore.open(dataDir), imageOf('same', 'for', 'all'), 'localhost/same:1');
}

/** Each fetches and removes images that share layers with all others, and collects garbage. */
async function live(dataDir: string, worker: string): Promise<number> {
  const store = ImageStore.open(dataDir);
  const name = `localhost/worker-${worker}:1`;
  for (let round = 0; round < ROUNDS; round += 1) {
    await putImage(store, imageOf('shared', `${round % 2}`, `${worker}-${round % 3}`), name);
    await putImage(store, imageOf('shared', `contested ${round}`), 'localhost/contested:1');
    const own = store.readReferences().find(({ reference }) => reference === name);
    if (own === undefined) throw new Error(`${name} is gone`);
    const problems = problemsOfImage(dataDir, own);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    if (round % 2 === 0) {
      await removeImages(store, ({ reference }) => reference === name, NOT_IN_USE);
    }
    if (round % 3 === 0) await collect(store, NOT_IN_USE);
  }
  return ROUNDS;
}

const [what, dataDir = '', worker = '0'] = process.argv.slice(2);
if (what === 'fetch-same') process.stdout.write(JSON.stringify(await fetchSame(dataDir)));
if (what === 'live') process.stdout.write(JSON.stringify(await live(dataDir, worker)));
