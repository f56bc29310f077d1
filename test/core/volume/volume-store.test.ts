import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { EngineError } from '../../../src/core/errors.ts';
import { diskUse } from '../../../src/core/volume/disk-use.ts';
import {
  lockVolumes,
  ownedVolumeName,
  tryLockVolumes,
  VolumeStore,
} from '../../../src/core/volume/volume-store.ts';
import { ScratchDirectory } from '../runtime/container-fixture.ts';

const MAKER = join(import.meta.dirname, 'volume-process.ts');

function startMaker(dataDir: string, ...args: readonly string[]) {
  const flags = ['--disable-warning=ExperimentalWarning', MAKER, dataDir, ...args];
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, output: text(child.stdout) };
}

async function emptied(): Promise<ScratchDirectory> {
  const scratch = new ScratchDirectory();
  (await lockVolumes(scratch.path, 'shared')).release();
  return scratch;
}

function entries(scratch: ScratchDirectory): string[] {
  return readdirSync(join(scratch.path, 'volumes')).sort();
}

describe('VolumeStore.create', () => {
  it('makes an empty directory with a record, for its owner alone', async () => {
    using scratch = await emptied();
    const made = VolumeStore.create(scratch.path, { name: 'db', labels: { a: '1' } });
    assert.deepEqual(made, VolumeStore.find(scratch.path, 'db'));
    assert.deepEqual([made.name, made.labels, made.isAnonymous], ['db', { a: '1' }, false]);
    assert.ok(Math.abs(Date.parse(made.createdAt) - Date.now()) < 60_000);
    const directory = join(scratch.path, 'volumes/db');
    assert.equal(lstatSync(directory).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(directory, '_data')), []);
    assert.deepEqual(entries(scratch), ['.lock', 'db']);
  });

  it('returns a volume that is there as it is', async () => {
    using scratch = await emptied();
    const first = VolumeStore.create(scratch.path, { name: 'db', labels: { a: '1' } });
    writeFileSync(join(scratch.path, 'volumes/db/_data/file'), 'text');
    assert.deepEqual(VolumeStore.create(scratch.path, { name: 'db', labels: { b: '2' } }), first);
    assert.equal(readFileSync(join(scratch.path, 'volumes/db/_data/file'), 'utf8'), 'text');
  });

  const names: [why: string, name: string, isGood: boolean][] = [
    ['two characters', 'ab', true],
    ['every kind of character', 'A0_.-z', true],
    ['255 characters', 'n'.repeat(255), true],
    ['one character', 'a', false],
    ['no character', '', false],
    ['256 characters', 'n'.repeat(256), false],
    ['a leading dot', '.lock', false],
    ['a leading dash', '-rf', false],
    ['a climb', '../../etc', false],
    ['a slash', 'a/b', false],
    ['a line feed', 'ab\n', false],
    ['a letter beyond ASCII', 'äb', false],
  ];
  for (const [why, name, isGood] of names) {
    it(`${isGood ? 'takes' : 'refuses'} a name with ${why}`, async () => {
      using scratch = await emptied();
      const make = () => VolumeStore.create(scratch.path, { name });
      if (isGood) assert.equal(make().name, name);
      else assert.throws(make, (error: EngineError) => error.code === 'USAGE_INVALID');
      assert.deepEqual(entries(scratch), ['.lock', ...(isGood ? [name] : [])].sort());
    });
  }

  it('makes one volume when several processes make one of that name', async () => {
    using scratch = await emptied();
    const makers = [1, 2, 3, 4].map(() => startMaker(scratch.path, 'one', '5'));
    const outputs = await Promise.all(makers.map(({ output }) => output));
    assert.equal(outputs[0]?.split('\n').length, 6);
    for (const output of outputs) assert.equal(output, outputs[0]);
    assert.deepEqual(entries(scratch), ['.lock', 'one0', 'one1', 'one2', 'one3', 'one4']);
  });

  it('leaves whole volumes and sweepable litter when it is killed', async () => {
    using scratch = await emptied();
    for (let round = 0; round < 4; round += 1) {
      const { child, output } = startMaker(scratch.path, `k${round}`);
      const seen = await new Promise<string>((resolve) =>
        child.stdout.once('data', (chunk: Buffer) => resolve(String(chunk))),
      );
      const kill = Math.floor(Math.random() * 20);
      for (let turn = 0; turn < kill; turn += 1) await new Promise(setImmediate);
      child.kill('SIGKILL');
      await output.catch(() => '');
      assert.ok(VolumeStore.find(scratch.path, seen.split(' ')[0] ?? ''));
    }
    {
      using lock = tryLockVolumes(scratch.path);
      assert.ok(lock, 'no killed process holds the lock');
      VolumeStore.discardUnfinished(scratch.path);
    }
    VolumeStore.emptyTrash(scratch.path);
    assert.equal(VolumeStore.hasTrash(scratch.path), false);
    const volumes = VolumeStore.list(scratch.path);
    assert.deepEqual(
      volumes.map(({ name }) => name),
      entries(scratch).filter((name) => name !== '.lock'),
    );
    for (const { name, labels } of volumes) {
      assert.match(labels.maker ?? '', /^\d+$/);
      assert.ok(existsSync(join(scratch.path, 'volumes', name, '_data')));
    }
  });
});

describe('VolumeStore', () => {
  it('gives one container the same volume at one place, and no other', () => {
    const name = ownedVolumeName('a', '/data');
    assert.match(name, /^[0-9a-f]{64}$/);
    assert.equal(ownedVolumeName('a', '/data'), name);
    assert.notEqual(ownedVolumeName('b', '/data'), name);
    assert.notEqual(ownedVolumeName('a', '/dat'), name);
  });

  it('removes a volume at once and its content afterwards, and counts what that freed', async () => {
    using scratch = await emptied();
    VolumeStore.create(scratch.path, { name: 'db' });
    const content = join(scratch.path, 'volumes/db/_data');
    writeFileSync(join(content, 'file'), Buffer.alloc(100_000));
    mkdirSync(join(content, 'sub'));
    symlinkSync(scratch.path, join(content, 'link'));
    writeFileSync(Buffer.concat([Buffer.from(content), Buffer.from('/n\xff', 'latin1')]), '');
    writeFileSync(join(scratch.path, 'sentinel'), '');
    const bytes = diskUse(join(scratch.path, 'volumes/db'));
    assert.ok(bytes >= 100_000 && bytes < 200_000, String(bytes));
    VolumeStore.discard(scratch.path, 'db');
    assert.throws(
      () => VolumeStore.find(scratch.path, 'db'),
      (error: EngineError) => error.code === 'VOLUME_NOT_FOUND',
    );
    assert.equal(VolumeStore.emptyTrash(scratch.path), bytes);
    assert.deepEqual(entries(scratch), ['.lock']);
    assert.ok(existsSync(join(scratch.path, 'sentinel')));
  });

  it('keeps a volume without a record, or with a damaged one, and nobody owns it', async () => {
    using scratch = await emptied();
    mkdirSync(join(scratch.path, 'volumes/old/_data'), { recursive: true });
    for (const text of ['', '{', '[]', '{"version":1,"labels":{"a":1}}']) {
      if (text !== '') writeFileSync(join(scratch.path, 'volumes/old/volume.json'), text);
      const { name, labels, isAnonymous, ownerId } = VolumeStore.find(scratch.path, 'old');
      assert.deepEqual([name, labels, isAnonymous, ownerId], ['old', {}, false, undefined]);
    }
  });

  it('forgets the owner of a volume that outlives it', async () => {
    using scratch = await emptied();
    const kind = { isAnonymous: true, ownerId: 'f'.repeat(64) };
    VolumeStore.create(scratch.path, { name: 'db', ...kind });
    assert.equal(VolumeStore.find(scratch.path, 'db').ownerId, kind.ownerId);
    VolumeStore.detach(scratch.path, 'db');
    VolumeStore.detach(scratch.path, 'missing');
    const { ownerId, isAnonymous } = VolumeStore.find(scratch.path, 'db');
    assert.deepEqual([ownerId, isAnonymous], [undefined, true]);
  });

  it('knows no volumes where there is no directory of volumes', () => {
    using scratch = new ScratchDirectory();
    assert.deepEqual(VolumeStore.list(scratch.path), []);
    assert.equal(VolumeStore.emptyTrash(scratch.path), 0);
  });
});
