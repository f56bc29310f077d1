/**
 * A supervisor for tests. Arguments: what to do, the data directory, a name or "".
 *
 * `hold` makes a container, prints its id, and lives until it is killed; `try` makes one and prints
 * its id or the code of the error; `live` makes, ends and removes one, over and over; `once` does so
 * once.
 */
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import { EngineError } from '../../../src/core/errors.ts';
import { pretendStarted, SPECIMEN } from './container-fixture.ts';

const [what, dataDir = '', name = ''] = process.argv.slice(2);
const ROUNDS = 20;

function make(removeOnExit: boolean) {
  const named = name === '' ? {} : { name };
  return ContainerStore.create(dataDir, { ...SPECIMEN, ...named, removeOnExit });
}

function liveOnce(): void {
  using container = make(true);
  pretendStarted(container);
  container.recordExit({ status: 0, finishedAt: new Date() });
  container.remove();
}

function tryOnce(): string {
  try {
    return make(false).id;
  } catch (error) {
    if (error instanceof EngineError) return error.code;
    throw error;
  }
}

function holdOn(): void {
  const container = make(true);
  pretendStarted(container);
  process.stdout.write(container.id);
  process.stdin.resume().on('end', () => container[Symbol.dispose]());
}

if (what === 'hold') holdOn();
if (what === 'try') {
  process.stdout.write(tryOnce());
  // Lives on with its container until all others have tried.
  process.stdin.resume();
}
if (what === 'once') liveOnce();
if (what === 'live') {
  for (let round = 0; round < ROUNDS; round += 1) {
    liveOnce();
    for (const litter of ContainerStore.sweepDead(dataDir)) {
      litter.remove();
      litter[Symbol.dispose]();
    }
    ContainerStore.list(dataDir);
  }
}
