import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { LongPaths } from '../../../src/core/rootfs/long-paths.ts';
import { materialiseTree } from '../../../src/core/rootfs/materialise.ts';
import { mergeLayers } from '../../../src/core/rootfs/merge-layers.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { ingestTars } from './support/layered-image.ts';
import { directory, file, hardlink, layerOf, symlink } from './support/layers.ts';
import { snapshot } from './support/snapshot.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root: owners';

describe('materialiseTree', { skip }, () => {
  let scratch: string;
  before(() => {
    scratch = mkdtempSync('/dev/shm/dray-materialise-');
  });
  after(() => rmSync(scratch, { recursive: true }));
  const freshDirectory = (): string => mkdtempSync(join(scratch, 'tree-'));

  it('writes the same modes whatever the umask is', async () => {
    const tree = mergeLayers([
      layerOf([directory('d', { mode: 0o2777 }), file('d/f', { mode: 0o666 }), file('i/f')]),
    ]);
    const seen = [];
    for (const mask of [0, 0o777]) {
      const target = freshDirectory();
      const before = process.umask(mask);
      await materialiseTree(tree, { dataFiles: [], directory: target });
      process.umask(before);
      seen.push(snapshot(target));
    }
    assert.match(seen[0]?.['d/f'] ?? '', /^file 666 /);
    assert.match(seen[0]?.d ?? '', /^directory 2777 /);
    assert.deepEqual(seen[0], seen[1]);
  });

  it('writes paths that are too long for a call, and hard links between them', async () => {
    const deep = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i).repeat(200));
    const path = deep.join('/');
    const tree = mergeLayers([
      layerOf([
        directory(path, { mode: 0o750, mtimeSeconds: 5 }),
        file(`${path}/leaf`, { mtimeSeconds: 6 }),
        hardlink(`${path}/name`, `${path}/leaf`),
        hardlink('near', `${path}/leaf`),
      ]),
    ]);
    const target = freshDirectory();
    const open = readdirSync('/proc/self/fd').length;
    await materialiseTree(tree, { dataFiles: [], directory: target });
    assert.equal(readdirSync('/proc/self/fd').length, open);
    using paths = new LongPaths(target);
    assert.equal(lstatSync(paths.of(path)).mode & 0o7777, 0o750);
    assert.equal(lstatSync(paths.of(path)).mtimeMs, 5000);
    const near = lstatSync(join(target, 'near'));
    assert.equal(near.nlink, 3);
    assert.equal(lstatSync(paths.of(`${path}/name`)).ino, near.ino);
  });

  it('leaves holes where a file is zero, and keeps its size', async () => {
    const content = Buffer.alloc(4 * 1024 * 1024);
    content.write('middle', 2 * 1024 * 1024);
    const { indexes, dataFiles } = await ingestTars(freshDirectory(), [
      tarOf([{ name: 'f', content }]),
    ]);
    const target = freshDirectory();
    await materialiseTree(mergeLayers(indexes), { dataFiles, directory: target });
    const { size, blocks } = lstatSync(join(target, 'f'));
    assert.equal(size, content.length);
    assert.ok(blocks * 512 <= 512 * 1024, `${blocks} blocks`);
  });

  it('follows no symlink of the image', async () => {
    const victim = freshDirectory();
    const tree = mergeLayers([
      layerOf([symlink('out', victim), file('out/x'), symlink('up', '../../../..'), file('up/y')]),
    ]);
    const target = freshDirectory();
    await materialiseTree(tree, { dataFiles: [], directory: target });
    assert.deepEqual(readdirSync(victim), []);
    assert.ok(lstatSync(join(target, victim, 'x')).isFile());
    assert.ok(lstatSync(join(target, 'y')).isFile());
  });

  it('refuses a data file that is too short', async () => {
    const source = freshDirectory();
    const tar = tarOf([{ name: 'f', content: Buffer.alloc(9000, 'x') }]);
    const { indexes, dataFiles } = await ingestTars(source, [tar]);
    truncateSync(dataFiles[0] ?? '', 8192);
    const options = { dataFiles, directory: freshDirectory() };
    await assert.rejects(
      materialiseTree(mergeLayers(indexes), options),
      (error: unknown) => error instanceof EngineError && error.code === 'STORE_CORRUPT',
    );
  });

  it('stops when it is aborted', async () => {
    const names = Array.from({ length: 20_000 }, (_, i) => file(`d/${i}`));
    const target = join(freshDirectory(), 'aborted');
    mkdirSync(target);
    const aborter = new AbortController();
    const reason = new Error('enough');
    setImmediate(() => aborter.abort(reason));
    const options = { dataFiles: [], directory: target, signal: aborter.signal };
    await assert.rejects(materialiseTree(mergeLayers([layerOf(names)]), options), reason);
    assert.ok(readdirSync(join(target, 'd')).length < names.length);
  });
});
