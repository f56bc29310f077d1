import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EngineError } from '../../../src/core/errors.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { faultTable, flakyRows, seededBytes } from '../../support/fault-table.ts';
import { type BuiltImage, buildImage } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { type FaultHook, TestRegistry } from '../../support/test-registry.ts';
import { cachingEnvironment } from '../store/child-cache.ts';

const CHILD = join(import.meta.dirname, 'fetch-child.ts');
const FLAGS = ['--disable-warning=ExperimentalWarning', CHILD];
const env = cachingEnvironment();
const update = { pullPolicy: 'update' } as const;

/** How much of a layer a network holds that the process has not got yet. */
const ON_THE_WAY = 16_000;

/** How much of a blob a store holds; all of it once the file of the transfer is gone. */
function arrivedBytes(dataDir: string, digest: string): number {
  const path = join(dataDir, 'ingest', `${digest.replace(':', '-')}.blob`);
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Layers of random bytes, as large as an application's. */
function largeImage(layers: number, layerBytes: number): BuiltImage {
  const tars = Array.from({ length: layers }, (_, layer) =>
    tarOf([
      { name: `srv/${layer}/large`, content: seededBytes(`large ${layer}`, layerBytes) },
      { name: `srv/${layer}/small`, content: `layer ${layer}\n` },
    ]),
  );
  return buildImage({ layers: tars, compression: 'none' });
}

function bytesOf({ blobs }: BuiltImage): number {
  return [...blobs.values()].reduce((sum, { length }) => sum + length, 0);
}

async function assertSound({ engine }: TempEngine, images: number): Promise<void> {
  const results = await verifyImages(engine, []);
  assert.equal(results.length, images);
  assert.deepEqual(
    results.flatMap(({ problems }) => problems),
    [],
  );
}

describe('a registry that fails now and then', { concurrency: true }, () => {
  const image = largeImage(24, 1_700_000);
  const tables = [
    { name: '1 % of connections cut, 5 % of answers 429 or 503', cut: 1, busy: 5, seed: 21 },
    { name: 'five times as many', cut: 5, busy: 25, seed: 2 },
  ];
  for (const { name, cut, busy, seed } of tables) {
    it(`gives the image nevertheless: ${name}`, async () => {
      const { hook, strikes } = faultTable(flakyRows(cut, busy), seed);
      await using registry = await TestRegistry.start({ fault: hook });
      using temp = tempEngine();
      const reference = registry.addImage('app', 'v1', image);
      const { onProgress } = temp;
      const fetched = await fetchImage(temp.engine, reference, { ...update, onProgress });
      assert.equal(fetched.imageId, image.imageId);
      assert.ok(
        [...strikes.values()].every((count) => count > 0),
        `${[...strikes]}`,
      );
      const retries = temp.events.filter(({ type }) => type === 'retrying').length;
      assert.ok(retries >= (strikes.get('busy') ?? 0), 'each is shown');
      await assertSound(temp, 1);
    });
  }
});

describe('a fetch that is killed', () => {
  before(() => promisify(execFile)(process.execPath, [...FLAGS, 'warm-up'], { env }));

  const image = largeImage(10, 1_600_000);
  const totalBytes = bytesOf(image);

  /** Ten moments in the transfer, by the bytes that have been sent until then. */
  function tenMoments(): number[] {
    const draws = seededBytes('kill moments', 40);
    return Array.from({ length: 10 }, (_, kill) => draws.readUInt32BE(kill * 4) / 2 ** 32)
      .sort((a, b) => a - b)
      .map((share) => share * totalBytes);
  }

  it('ten times transfers the image once, and at most a tenth more', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const reference = registry.addImage('app', 'v1', image);
    const { dataDir } = temp.engine.settings;
    registry.fault = ({ path, headers }) => {
      const digest = /\/blobs\/(.+)$/.exec(path)?.[1];
      if (digest === undefined) return undefined;
      const offset = Number(/[0-9]+/.exec(String(headers.range))?.[0] ?? 0);
      const taken = (): number => arrivedBytes(dataDir, digest) - offset;
      return { window: { bytes: ON_THE_WAY, taken } };
    };
    const start = (): ChildProcess =>
      spawn(process.execPath, [...FLAGS, dataDir, reference], { env, stdio: 'inherit' });
    for (const moment of tenMoments()) {
      const child = start();
      const exited = once(child, 'exit');
      while (registry.sentBytes < moment && child.exitCode === null) await delay(1);
      child.kill('SIGKILL');
      const [, signal] = await exited;
      assert.equal(signal, 'SIGKILL', 'it was still at work');
      assert.equal(listImages(temp.engine).length, 0);
    }
    const [status] = await once(start(), 'exit');
    assert.equal(status, 0);
    await assertSound(temp, 1);
    const share = registry.sentBytes / totalBytes;
    assert.ok(share <= 1.1, `${share.toFixed(3)} times the image's bytes were transferred`);
  });
});

describe('bytes that an earlier fetch kept', () => {
  const image = largeImage(1, 300_000);
  const [layer] = image.layers;
  assert.ok(layer !== undefined);
  const { bytes } = layer;
  const { digest } = layer.descriptor;

  /** Fetches with `kept` in the store, and gives the ranges that were asked for. */
  async function rangesWith(kept: Buffer, fault: FaultHook = () => undefined): Promise<unknown[]> {
    await using registry = await TestRegistry.start({
      fault: (request, count) =>
        request.path.endsWith(digest) ? fault(request, count) : undefined,
    });
    using temp = tempEngine();
    const { dataDir } = temp.engine.settings;
    mkdirSync(join(dataDir, 'ingest'), { recursive: true });
    writeFileSync(join(dataDir, 'ingest', `${digest.replace(':', '-')}.blob`), kept);
    const reference = registry.addImage('app', 'v1', image);
    const fetching = fetchImage(temp.engine, reference, update);
    const ended = await fetching.then(
      () => assertSound(temp, 1),
      (error: unknown) => {
        const isLeft = temp.files().some((file) => file.startsWith('ingest/'));
        assert.equal(isLeft, false, 'bytes that are wrong are no beginning for another attempt');
        return error;
      },
    );
    const ranges = registry.requestsFor(digest).map(({ headers }) => headers.range);
    return ended === undefined ? ranges : [...ranges, codeOf(ended)];
  }

  const half = bytes.subarray(0, 150_000);
  const from = `bytes=${half.length}-`;
  const spoiled: FaultHook = () => ({ flipByteAt: 10 });
  const rows: [name: string, kept: Buffer, fault: FaultHook | undefined, requests: unknown[]][] = [
    ['are not transferred again', half, undefined, [from]],
    ['may be all that there are', bytes, undefined, []],
    [
      'are skipped when the registry ignores the range',
      half,
      () => ({ ignoreRange: true }),
      [from],
    ],
    [
      'are skipped when the registry refuses the range',
      half,
      ({ headers }) => (headers.range === undefined ? {} : { status: 416 }),
      [from, undefined],
    ],
    [
      'are dropped once when they are wrong',
      Buffer.alloc(150_000, 'x'),
      undefined,
      [from, undefined],
    ],
    ['are dropped when there are too many', Buffer.concat([bytes, half]), undefined, [undefined]],
    [
      'are dropped when all are there and wrong',
      Buffer.alloc(bytes.length),
      undefined,
      [undefined],
    ],
    ['lead to two transfers and no more', half, spoiled, [from, undefined, 'DIGEST_MISMATCH']],
  ];
  for (const [name, kept, fault, requests] of rows) {
    it(name, async () => {
      assert.deepEqual(await rangesWith(kept, fault), requests);
    });
  }
});

function codeOf(error: unknown): string {
  return error instanceof EngineError ? error.code : String(error);
}

describe('many fetches at once', () => {
  it('32 of images that share layers, in 8 processes, transfer each blob once', async () => {
    const PROCESSES = 8;
    const layer = (name: string): Buffer =>
      tarOf([{ name: `srv/${name}`, content: seededBytes(name, 100_000) }]);
    const images = Array.from({ length: 32 }, (_, at) =>
      buildImage({
        layers: [layer('base'), layer('runtime'), layer(`library ${at % 4}`), layer(`app ${at}`)],
      }),
    );
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const references = images.map((image, at) => registry.addImage(`app-${at}`, 'v1', image));
    const { dataDir } = temp.engine.settings;
    const run = promisify(execFile);
    // One image of each process at a time would hide a deadlock, so each fetches its four at once.
    const children = Array.from({ length: PROCESSES }, (_, at) => {
      const own = references.filter((_, position) => position % PROCESSES === at);
      return run(process.execPath, [...FLAGS, dataDir, ...own], { env });
    });
    await Promise.allSettled(children);
    await Promise.all(children);
    const transfers = new Map<string, number>();
    for (const { path, method } of registry.requestsFor('/blobs/')) {
      const digest = path.split('/').at(-1) ?? '';
      if (method === 'GET') transfers.set(digest, (transfers.get(digest) ?? 0) + 1);
    }
    assert.equal(transfers.size, 32 + 2 + 4 + 32, 'configs and layers');
    assert.deepEqual(
      [...transfers].filter(([, count]) => count !== 1),
      [],
    );
    await assertSound(temp, 32);
  });
});

describe('a layer that fails', () => {
  it('cancels the others, and its error is the one that is told', async () => {
    const image = largeImage(4, 500_000);
    const [bad, ...others] = image.layers.map(({ descriptor }) => descriptor.digest);
    assert.ok(bad !== undefined);
    // The others would stand still for longer than any test may take.
    await using registry = await TestRegistry.start({
      fault: ({ path }) => {
        if (path.endsWith(bad)) return { status: 404, delayMs: 50 };
        return others.some((digest) => path.endsWith(digest))
          ? { stallAfterBytes: 100_000 }
          : undefined;
      },
    });
    using temp = tempEngine();
    const reference = registry.addImage('app', 'v1', image);
    await assert.rejects(fetchImage(temp.engine, reference, update), (error) => {
      assert.ok(error instanceof EngineError, String(error));
      assert.equal(error.code, 'REGISTRY_NOT_FOUND');
      assert.match(error.message, new RegExp(bad));
      return true;
    });
    while (registry.openConnections > 0) await delay(1);
    assert.equal(temp.files().filter((file) => file.startsWith('ingest/')).length, others.length);
  });
});
