import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  commitFile,
  syncDirectory,
  TEMPORARY_PREFIX,
  writeFileAtomic,
} from '../../../src/core/host/atomic-file.ts';
import { isErrno } from '../../../src/core/host/libc.ts';

const MODULE = new URL('../../../src/core/host/atomic-file.ts', import.meta.url).href;

const needsStrace = spawnSync('strace', ['-V']).error === undefined ? {} : { skip: 'needs strace' };

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'atomic-file-'));
});
after(() => rmSync(directory, { recursive: true }));

/** The traced calls of a program that imports this module, in order, `path` shortened to its name. */
function traceCalls(statement: string): string[] {
  const log = join(directory, 'trace');
  const program = `import * as files from ${JSON.stringify(MODULE)}; ${statement}`;
  const { status, error } = spawnSync(
    'strace',
    [
      '-f',
      '-y',
      '-o',
      log,
      '-e',
      'trace=fsync,rename,renameat,renameat2,fchmod',
      process.execPath,
    ].concat(['--input-type=module', '-e', program]),
    { stdio: 'inherit' },
  );
  assert.ifError(error);
  assert.equal(status, 0);
  return readFileSync(log, 'utf8')
    .split('\n')
    .map((line) => line.replace(/^\d+ +/, ''))
    .filter((line) => line.includes(directory))
    .map((line) => line.replaceAll(directory, 'D').replace(/\.tmp-[0-9a-f]+/g, 'TEMP'))
    .map((line) => line.replace(/\(\d+</g, '(<').replace(/ += .*/, ''));
}

describe('writeFileAtomic', () => {
  it('makes a file with exactly the bytes and the mode, whatever the umask', () => {
    const path = join(directory, 'made');
    const umask = process.umask(0o077);
    try {
      writeFileAtomic(path, Buffer.from([0, 0xff, 0x0a]), { mode: 0o644 });
    } finally {
      process.umask(umask);
    }
    assert.deepEqual([...readFileSync(path)], [0, 0xff, 0x0a]);
    assert.equal(statSync(path).mode & 0o777, 0o644);
  });

  it('is private unless told otherwise', () => {
    const path = join(directory, 'private');
    writeFileAtomic(path, 'text', { durable: false });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(readFileSync(path, 'utf8'), 'text');
  });

  it('replaces by a new file, so that whoever has the old one open keeps it', () => {
    const path = join(directory, 'replaced');
    const witness = join(directory, 'witness');
    writeFileAtomic(path, 'old');
    linkSync(path, witness);
    writeFileAtomic(path, 'new');
    assert.equal(readFileSync(path, 'utf8'), 'new');
    assert.equal(readFileSync(witness, 'utf8'), 'old');
  });

  it('takes a name of 255 bytes', () => {
    const path = join(directory, 'n'.repeat(255));
    writeFileAtomic(path, 'x', { durable: false });
    assert.ok(existsSync(path));
  });

  it('reports a failure and leaves neither file', () => {
    const path = join(directory, 'is-a-directory');
    mkdirSync(join(path, 'child'), { recursive: true });
    const names = readdirSync(directory);
    assert.throws(
      () => writeFileAtomic(path, 'x'),
      (error) => isErrno(error, 'EISDIR'),
    );
    assert.throws(
      () => writeFileAtomic(join(directory, 'absent', 'x'), 'x'),
      (error) => isErrno(error, 'ENOENT'),
    );
    assert.deepEqual(readdirSync(directory), names);
  });

  it('syncs the bytes before the rename and the directory after it', needsStrace, () => {
    assert.deepEqual(traceCalls(`files.writeFileAtomic('${directory}/x', 'x')`), [
      'fchmod(<D/TEMP>, 0600)',
      'fsync(<D/TEMP>)',
      'rename("D/TEMP", "D/x")',
      'fsync(<D>)',
    ]);
  });

  it('syncs nothing when the file need not be durable', needsStrace, () => {
    assert.deepEqual(traceCalls(`files.writeFileAtomic('${directory}/x', 'x', {durable: false})`), [
      'fchmod(<D/TEMP>, 0600)',
      'rename("D/TEMP", "D/x")',
    ]);
  });

  it('shows a reader whole files only, and leaves a whole one when the writer is killed', async () => {
    const path = join(directory, 'hammered');
    const size = 200_000;
    const program = `
      import { writeFileAtomic } from ${JSON.stringify(MODULE)};
      for (let i = 0; ; i = (i + 1) % 26) {
        writeFileAtomic(process.argv[1], String.fromCharCode(97 + i).repeat(${size}), { durable: false });
        if (i === 0) process.stdout.write('.');
      }
    `;
    const writer = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [first] = await Promise.race([once(writer.stdout, 'data'), once(writer, 'exit')]);
    assert.equal(String(first), '.');
    for (let i = 0; i < 200; i++) {
      const text = readFileSync(path, 'latin1');
      assert.equal(text, text.charAt(0).repeat(size));
    }
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const text = readFileSync(path, 'latin1');
    assert.equal(text, text.charAt(0).repeat(size));
    const leftovers = readdirSync(directory).filter((name) => name.startsWith(TEMPORARY_PREFIX));
    assert.ok(leftovers.length <= 1);
    for (const name of leftovers) {
      rmSync(join(directory, name));
    }
  });
});

describe('commitFile', () => {
  it('syncs the file, renames it, and syncs the directory that now has it', needsStrace, () => {
    writeFileSync(join(directory, 'whole'), 'x');
    assert.deepEqual(traceCalls(`files.commitFile('${directory}/whole', '${directory}/final')`), [
      'fsync(<D/whole>)',
      'rename("D/whole", "D/final")',
      'fsync(<D>)',
    ]);
    assert.equal(readFileSync(join(directory, 'final'), 'utf8'), 'x');
  });

  it('keeps the temporary name when the rename fails', () => {
    const temporary = join(directory, 'kept');
    writeFileSync(temporary, 'x');
    assert.throws(
      () => commitFile(temporary, join(directory, 'absent', 'x')),
      (error) => isErrno(error, 'ENOENT'),
    );
    assert.ok(existsSync(temporary));
  });
});

describe('syncDirectory', () => {
  it('refuses what is not a directory', () => {
    writeFileSync(join(directory, 'file'), '');
    assert.throws(
      () => syncDirectory(join(directory, 'file')),
      (error) => isErrno(error, 'ENOTDIR'),
    );
    syncDirectory(directory);
  });
});
