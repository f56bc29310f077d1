import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ImageStore } from '../../../src/core/store/image-store.ts';
import { engineError } from '../../support/engine-errors.ts';
import { filesBelow, imageOf, putImage, TempStore } from './store-fixture.ts';

const NOBODY = 65534;
const isRoot = process.geteuid?.() === 0;
const asRoot = { skip: isRoot ? false : 'only root can make files of other users' };

function modesBelow(directory: string): Map<string, string> {
  const entries = readdirSync(directory, { recursive: true }).map(String);
  return new Map(
    ['.', ...entries].sort().map((name) => {
      const { mode } = statSync(join(directory, name));
      return [name, (mode & 0o7777).toString(8)];
    }),
  );
}

describe('ImageStore.open', () => {
  it('makes a store that is an OCI image layout', () => {
    using temp = new TempStore();
    temp.open();
    const marker = JSON.parse(readFileSync(join(temp.dataDir, 'oci-layout'), 'utf8'));
    assert.deepEqual(marker, { imageLayoutVersion: '1.0.0' });
    assert.equal(readFileSync(join(temp.dataDir, 'version'), 'utf8'), '1\n');
  });

  it('reads a missing store as empty, and makes nothing, when it may not make one', () => {
    using temp = new TempStore();
    const store = ImageStore.open(temp.dataDir, { create: false });
    assert.deepEqual(store.readReferences(), []);
    assert.equal(existsSync(temp.dataDir), false);
  });

  it('gives all files and directories the same private modes whatever the umask', async () => {
    const before = process.umask();
    const seen: Map<string, string>[] = [];
    try {
      for (const umask of [0, 0o022, 0o077, 0o777]) {
        using temp = new TempStore();
        chmodSync(temp.parent, 0o700);
        process.umask(umask);
        await putImage(temp.open(), imageOf('a'), 'localhost/a:1');
        seen.push(modesBelow(temp.dataDir));
        process.umask(before);
      }
    } finally {
      process.umask(before);
    }
    for (const modes of seen) {
      assert.deepEqual(modes, seen[0]);
      for (const [name, mode] of modes) assert.match(mode, /^(700|600|400)$/, name);
    }
  });

  it('makes a store private that is not', () => {
    using temp = new TempStore();
    temp.open();
    chmodSync(temp.dataDir, 0o755);
    temp.open();
    assert.equal(statSync(temp.dataDir).mode & 0o777, 0o700);
  });

  it('finishes a store whose maker was killed before it wrote the version', async () => {
    using temp = new TempStore();
    await putImage(temp.open(), imageOf('a'), 'localhost/a:1');
    unlinkSync(join(temp.dataDir, 'version'));
    assert.equal(temp.open().readReferences().length, 1);
    assert.ok(existsSync(join(temp.dataDir, 'version')));
  });

  it('takes an empty directory, and a fresh file system', () => {
    using temp = new TempStore();
    mkdirSync(join(temp.dataDir, 'lost+found'), { recursive: true });
    assert.deepEqual(temp.open().readReferences(), []);
  });

  it('refuses a directory of somebody else, and leaves its mode alone', () => {
    using temp = new TempStore();
    mkdirSync(temp.dataDir, { mode: 0o755 });
    chmodSync(temp.dataDir, 0o755);
    writeFileSync(join(temp.dataDir, 'precious'), '');
    assert.throws(() => temp.open(), engineError('STORE_UNUSABLE', /"precious"/));
    assert.equal(statSync(temp.dataDir).mode & 0o777, 0o755);
    assert.deepEqual(filesBelow(temp.dataDir), ['precious']);
  });

  it('refuses a symbolic link, whatever it leads to', () => {
    using temp = new TempStore();
    const real = join(temp.parent, 'real');
    ImageStore.open(real);
    symlinkSync(real, temp.dataDir);
    assert.throws(() => temp.open(), engineError('STORE_UNUSABLE', /is a symbolic link/));
  });

  it('refuses a file', () => {
    using temp = new TempStore();
    writeFileSync(temp.dataDir, '');
    assert.throws(() => temp.open(), engineError('STORE_UNUSABLE', /is not a directory/));
  });

  const impossible: readonly (readonly [string, (parent: string) => string])[] = [
    ['in /proc', () => '/proc/x'],
    ['two levels down in /proc', () => '/proc/x/y'],
    ['below a file', (parent) => join(parent, 'file', 'store')],
    ['below what is below a file', (parent) => join(parent, 'file', 'a', 'store')],
    ['under a name that is too long', (parent) => join(parent, 'n'.repeat(300))],
    ['below a name that is too long', (parent) => join(parent, 'n'.repeat(300), 'store')],
  ];
  for (const [where, pathIn] of impossible) {
    it(`says that no store can be made ${where}`, () => {
      using temp = new TempStore();
      writeFileSync(join(temp.parent, 'file'), '');
      const open = () => ImageStore.open(pathIn(temp.parent));
      assert.throws(open, engineError('STORE_UNUSABLE', /cannot be made/));
    });
  }

  it('makes the directories above the store', () => {
    using temp = new TempStore();
    assert.deepEqual(ImageStore.open(join(temp.parent, 'a', 'b', 'c')).readReferences(), []);
  });

  it('refuses a store of another user', asRoot, () => {
    using temp = new TempStore();
    temp.open();
    chownSync(temp.dataDir, NOBODY, NOBODY);
    assert.throws(() => temp.open(), engineError('STORE_UNUSABLE', /belongs to user 65534/));
  });

  for (const name of ['index.json', 'lock-index', 'version']) {
    it(`does not follow a symbolic link in the place of ${name}`, async () => {
      using temp = new TempStore();
      const victim = join(temp.parent, 'victim');
      writeFileSync(victim, '1\n');
      const store = temp.open();
      const path = join(temp.dataDir, name);
      if (existsSync(path)) unlinkSync(path);
      symlinkSync(victim, path);
      const use = async (): Promise<void> => {
        temp.open();
        await putImage(store, imageOf('a'), 'localhost/a:1');
      };
      await assert.rejects(use(), engineError('STORE_UNUSABLE', /symbolic link/));
      assert.equal(readFileSync(victim, 'utf8'), '1\n');
    });
  }

  const versions: readonly (readonly [string, 'STORE_VERSION_UNSUPPORTED' | 'STORE_CORRUPT'])[] = [
    ['2\n', 'STORE_VERSION_UNSUPPORTED'],
    ['999', 'STORE_VERSION_UNSUPPORTED'],
    ['', 'STORE_CORRUPT'],
    ['0', 'STORE_CORRUPT'],
    ['one', 'STORE_CORRUPT'],
    ['1e0', 'STORE_CORRUPT'],
    ['-1', 'STORE_CORRUPT'],
  ];
  for (const [text, code] of versions) {
    it(`refuses the version ${JSON.stringify(text)} and changes nothing`, () => {
      using temp = new TempStore();
      temp.open();
      writeFileSync(join(temp.dataDir, 'version'), text);
      const before = filesBelow(temp.dataDir);
      assert.throws(() => temp.open(), engineError(code));
      assert.deepEqual(filesBelow(temp.dataDir), before);
    });
  }

  it('tells a user who is not root what to do', asRoot, async () => {
    using temp = new TempStore();
    chmodSync(temp.parent, 0o755);
    await putImage(temp.open(), imageOf('a'), 'localhost/a:1');
    const script = `
      import { ImageStore } from ${JSON.stringify(join(import.meta.dirname, '../../../src/core/store/image-store.ts'))};
      process.setgid(${NOBODY}); process.setuid(${NOBODY});
      try { ImageStore.open(process.argv[1]); } catch (error) { console.log(error.code, error.hint); }`;
    const argv = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
    for (const dataDir of [temp.dataDir, join(temp.parent, 'new')]) {
      const { stdout, stderr } = spawnSync(process.execPath, [...argv, dataDir], {
        encoding: 'utf8',
      });
      assert.match(stdout, /^PERMISSION_DENIED Run dray as root/, stderr);
    }
  });

  it('shows nothing of itself to other users', asRoot, async () => {
    using temp = new TempStore();
    chmodSync(temp.parent, 0o755);
    await putImage(temp.open(), imageOf('a'), 'localhost/a:1');
    for (const program of ['ls', 'stat', 'cat']) {
      const control = spawnSync(program, [program === 'cat' ? '/etc/passwd' : '/'], {
        uid: NOBODY,
      });
      assert.equal(control.status, 0);
      for (const name of filesBelow(temp.dataDir)) {
        const path = join(temp.dataDir, name);
        const { status } = spawnSync(program, [path], { uid: NOBODY, gid: NOBODY });
        assert.notEqual(status, 0, `${program} ${name}`);
        if (program !== 'cat') break;
      }
    }
  });
});
