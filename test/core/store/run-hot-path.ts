/** What `run` does with the store and the containers, between two marks that a trace can find. */
import { accessSync } from 'node:fs';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import { tryAcquireShared } from '../../../src/core/store/gc-lock.ts';
import { ImageStore } from '../../../src/core/store/image-store.ts';
import { readSummary, touchLastUsed } from '../../../src/core/store/image-summary.ts';
import { resolveImage } from '../../../src/core/store/resolve.ts';

function mark(name: string): void {
  try {
    accessSync(`/mark-${name}`);
  } catch {
    // The call is in the trace; that there is no such file is the point.
  }
}

function start(dataDir: string): void {
  const store = ImageStore.open(dataDir);
  using lock = tryAcquireShared(dataDir);
  if (lock === undefined) throw new Error('a collection is under way');
  const [record] = resolveImage(store.readReferences(), 'localhost/app');
  const summary = readSummary(dataDir, record.imageId);
  touchLastUsed(dataDir, record.imageId);
  using _container = ContainerStore.create(dataDir, {
    imageId: summary.imageId,
    chainId: summary.chainId,
    diffIds: summary.devices,
    command: summary.config.Cmd ?? [],
    removeOnExit: true,
  });
}

const dataDir = process.argv[2];
if (dataDir === undefined) throw new Error('usage: run-hot-path.ts DATA_DIR');
// Once before, so that node:ffi is loaded and the directory of containers is there.
start(dataDir);
mark('begin');
start(dataDir);
mark('end');
