/**
 * One suite for all back-ends: what a container sees is what GNU tar makes of the layers, unpacked
 * one over the other with their whiteouts applied.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { BACKEND_NAMES, type RootfsFiles } from '../../../src/core/rootfs/backend.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';
import { CONTRACT_CASES } from './support/contract-cases.ts';
import { tarOfLayer, unpackLayers } from './support/gnu-tar.ts';
import { planMount, storeImage } from './support/layered-image.ts';
import { randomLayers } from './support/random-layers.ts';
import { type Snapshot, snapshot, withoutDirectoryTimes } from './support/snapshot.ts';
import { Viewer } from './support/viewer.ts';

const asItIs = (lines: Snapshot): Snapshot => lines;

const skip = process.geteuid?.() === 0 ? false : 'needs root: mounts file systems';

describe('back-ends', { skip }, () => {
  let disk: LoopExt4;
  let viewer: Viewer;
  before(() => {
    disk = LoopExt4.create();
    viewer = new Viewer();
  });
  after(async () => {
    await viewer[Symbol.asyncDispose]();
    disk[Symbol.dispose]();
  });

  for (const contractCase of CONTRACT_CASES) {
    describe(contractCase.name, () => {
      let directory: string;
      let expected: Snapshot;
      let files: RootfsFiles;
      const compared = contractCase.hasImpliedParents ? withoutDirectoryTimes : asItIs;
      before(async () => {
        directory = mkdtempSync(join(disk.mountPoint, 'case-'));
        const layers = contractCase.layers();
        const oracle = join(directory, 'oracle');
        assert.equal(unpackLayers(oracle, layers), undefined);
        expected = compared(snapshot(oracle));
        rmSync(oracle, { recursive: true });
        files = await storeImage(directory, layers.map(tarOfLayer));
      });
      after(() => rmSync(directory, { recursive: true }));

      for (const backend of BACKEND_NAMES) {
        it(`looks through ${backend} as GNU tar unpacks it`, async () => {
          const plan = planMount(directory, backend, files);
          assert.deepEqual(compared(await viewer.view({ plan, action: 'look' })), expected);
        });
      }
    });
  }

  it('agree with GNU tar on layers of any entries', async () => {
    let judged = 0;
    const property = fc.asyncProperty(randomLayers, async (layers) => {
      const directory = mkdtempSync(join(disk.mountPoint, 'random-'));
      try {
        const oracle = join(directory, 'oracle');
        fc.pre(unpackLayers(oracle, layers) === undefined);
        const expected = withoutDirectoryTimes(snapshot(oracle));
        const files = await storeImage(directory, layers.map(tarOfLayer));
        for (const backend of BACKEND_NAMES) {
          const plan = planMount(directory, backend, files);
          const seen = await viewer.view({ plan, action: 'look' });
          assert.deepEqual(withoutDirectoryTimes(seen), expected, backend);
        }
        judged += 1;
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
    await fc.assert(property, { numRuns: 30, maxSkipsPerRun: 20 });
    assert.ok(judged >= 30);
  });
});
