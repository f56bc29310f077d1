import assert from 'node:assert/strict';
import {
  existsSync,
  fstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { digestOf, parseDiffId } from '../../../src/core/oci/digest.ts';
import { hasBlob } from '../../../src/core/store/blob-store.ts';
import { hasLayer, LayerIngest, removeLayer } from '../../../src/core/store/ingest.ts';
import { blobPath, layerDataPath, layerIndexPath } from '../../../src/core/store/store-paths.ts';
import { Holder } from './holder.ts';
import { derivedOf, putLayer, TempStore } from './store-fixture.ts';

const LAYER = Buffer.from('the bytes of a layer');
const DIGEST = digestOf(LAYER);
const DIFF_ID = parseDiffId(digestOf('its tar'), 'test');

function ingestNames(dataDir: string): string[] {
  return readdirSync(join(dataDir, 'ingest')).map((name) => name.replace(/^.*\./, ''));
}

describe('LayerIngest', () => {
  it('makes blob, data and index part of the store, and leaves nothing unfinished', async () => {
    using temp = new TempStore();
    temp.open();
    assert.equal(hasLayer(temp.dataDir, DIFF_ID), false);
    await putLayer(temp.dataDir, LAYER, DIFF_ID);
    assert.ok(hasLayer(temp.dataDir, DIFF_ID));
    assert.deepEqual(readFileSync(blobPath(temp.dataDir, DIGEST)), LAYER);
    assert.deepEqual(ingestNames(temp.dataDir), []);
  });

  it('keeps no blob that it was not told to keep', async () => {
    using temp = new TempStore();
    temp.open();
    {
      await using ingest = await LayerIngest.begin(temp.dataDir, DIGEST);
      const { data, index } = derivedOf(LAYER);
      writeSync(ingest.dataFd, data);
      await ingest.commit({ diffId: DIFF_ID, index, keepBlob: false });
    }
    assert.ok(hasLayer(temp.dataDir, DIFF_ID));
    assert.equal(hasBlob(temp.dataDir, DIGEST), false);
    assert.deepEqual(ingestNames(temp.dataDir), []);
  });

  it('keeps the bytes that arrived when it is given up, and nothing else', async () => {
    using temp = new TempStore();
    temp.open();
    {
      await using ingest = await LayerIngest.begin(temp.dataDir, DIGEST);
      assert.equal(ingest.keptBytes, 0);
      writeSync(ingest.blobFd, LAYER, 0, 5);
      writeSync(ingest.dataFd, 'half');
    }
    assert.deepEqual(ingestNames(temp.dataDir), ['blob']);
    await using ingest = await LayerIngest.begin(temp.dataDir, DIGEST);
    assert.equal(ingest.keptBytes, 5);
    assert.equal(fstatSync(ingest.dataFd).size, 0);
  });

  it('keeps nothing when nothing arrived, or when it is discarded', async () => {
    using temp = new TempStore();
    temp.open();
    {
      await using _ingest = await LayerIngest.begin(temp.dataDir, DIGEST);
    }
    assert.deepEqual(ingestNames(temp.dataDir), []);
    {
      await using ingest = await LayerIngest.begin(temp.dataDir, DIGEST);
      writeSync(ingest.blobFd, LAYER);
      ingest.discard();
      ingest.discard();
    }
    assert.deepEqual(ingestNames(temp.dataDir), []);
  });

  it('goes on from what a killed process has transferred', async () => {
    using temp = new TempStore();
    temp.open();
    await using holder = await Holder.start('ingest', temp.dataDir, DIGEST, 'the by');
    let waits = 0;
    const waiting = LayerIngest.begin(temp.dataDir, DIGEST, {
      onWait: () => {
        waits += 1;
        void holder.kill();
      },
    });
    await using ingest = await waiting;
    assert.equal(waits, 1);
    assert.equal(ingest.keptBytes, 'the by'.length);
    assert.equal(fstatSync(ingest.dataFd).size, 0);
  });

  it('stops waiting when it is told to', async () => {
    using temp = new TempStore();
    temp.open();
    await using _holder = await Holder.start('ingest', temp.dataDir, DIGEST, 'x');
    const stop = new AbortController();
    const reason = new Error('enough');
    const waiting = LayerIngest.begin(temp.dataDir, DIGEST, {
      signal: stop.signal,
      onWait: () => stop.abort(reason),
    });
    await assert.rejects(waiting, reason);
  });

  it('works where the directories of the store were removed', async () => {
    using temp = new TempStore();
    temp.open();
    for (const name of ['ingest', 'layers', 'blobs']) {
      rmSync(join(temp.dataDir, name), { recursive: true });
    }
    await putLayer(temp.dataDir, LAYER, DIFF_ID);
    assert.ok(hasLayer(temp.dataDir, DIFF_ID));
  });

  it('leaves no descriptor open', async () => {
    using temp = new TempStore();
    temp.open();
    await putLayer(temp.dataDir, LAYER, DIFF_ID);
    const before = readdirSync('/proc/self/fd').length;
    await putLayer(temp.dataDir, Buffer.from('another'), DIFF_ID);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});

describe('hasLayer', () => {
  const damages: readonly (readonly [string, (dataDir: string) => void])[] = [
    ['the index is missing', (dir) => unlinkSync(layerIndexPath(dir, DIFF_ID))],
    ['the data file is missing', (dir) => unlinkSync(layerDataPath(dir, DIFF_ID))],
    ['the data file is empty', (dir) => truncateSync(layerDataPath(dir, DIFF_ID), 0)],
    ['the data file is too long', (dir) => truncateSync(layerDataPath(dir, DIFF_ID), 9000)],
    ['the index is empty', (dir) => truncateSync(layerIndexPath(dir, DIFF_ID), 0)],
    ['the index is cut', (dir) => truncateSync(layerIndexPath(dir, DIFF_ID), 70)],
    ['the index is no index', (dir) => writeFileSync(layerIndexPath(dir, DIFF_ID), 'x'.repeat(99))],
  ];
  for (const [what, damage] of damages) {
    it(`says no when ${what}, and a new ingest heals it`, async () => {
      using temp = new TempStore();
      temp.open();
      await putLayer(temp.dataDir, LAYER, DIFF_ID);
      assert.ok(hasLayer(temp.dataDir, DIFF_ID));
      damage(temp.dataDir);
      assert.equal(hasLayer(temp.dataDir, DIFF_ID), false);
      await putLayer(temp.dataDir, LAYER, DIFF_ID);
      assert.ok(hasLayer(temp.dataDir, DIFF_ID));
    });
  }

  it('says no after removeLayer, which may be called again', async () => {
    using temp = new TempStore();
    temp.open();
    await putLayer(temp.dataDir, LAYER, DIFF_ID);
    removeLayer(temp.dataDir, DIFF_ID);
    removeLayer(temp.dataDir, DIFF_ID);
    assert.equal(hasLayer(temp.dataDir, DIFF_ID), false);
    assert.equal(existsSync(layerDataPath(temp.dataDir, DIFF_ID)), false);
  });
});
