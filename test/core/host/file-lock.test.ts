import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FileLock } from '../../../src/core/host/file-lock.ts';
import { isErrno } from '../../../src/core/host/libc.ts';
import { spawnAttached } from '../../../src/core/host/process.ts';

const MODULE = new URL('../../../src/core/host/file-lock.ts', import.meta.url).href;

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'file-lock-'));
});
after(() => rmSync(directory, { recursive: true }));

/** A process that holds the lock, has said so on stdout, and ends when its stdin closes. */
async function startHolder(path: string, mode: 'shared' | 'exclusive'): Promise<ChildProcess> {
  const program = `
    import { FileLock } from ${JSON.stringify(MODULE)};
    const lock = await FileLock.acquire(process.argv[1], process.argv[2]);
    process.stdout.write('held\\n');
    process.stdin.resume().on('end', () => lock.release());
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, path, mode], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [chunk] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  assert.equal(String(chunk), 'held\n');
  return child;
}

async function end(child: ChildProcess, how: 'stdin' | 'SIGKILL'): Promise<void> {
  const exited = once(child, 'exit');
  if (how === 'SIGKILL') {
    child.kill('SIGKILL');
  } else {
    child.stdin?.end();
  }
  await exited;
}

describe('tryAcquire', () => {
  it('makes a private file and leaves it when the lock is released', () => {
    const path = join(directory, 'made');
    const lock = FileLock.tryAcquire(path, 'exclusive');
    assert.ok(lock);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    lock.release();
    lock.release();
    assert.ok(existsSync(path));
  });

  const pairs = [
    { first: 'shared', second: 'shared', both: true },
    { first: 'shared', second: 'exclusive', both: false },
    { first: 'exclusive', second: 'shared', both: false },
    { first: 'exclusive', second: 'exclusive', both: false },
  ] as const;
  for (const { first, second, both } of pairs) {
    it(`${both ? 'lets' : 'does not let'} ${second} in beside ${first}`, () => {
      const path = join(directory, `${first}-${second}`);
      using held = FileLock.tryAcquire(path, first);
      using other = FileLock.tryAcquire(path, second);
      assert.ok(held);
      assert.equal(other !== undefined, both);
    });
  }

  it('refuses a symbolic link, and makes nothing at its target', () => {
    const path = join(directory, 'link');
    symlinkSync(join(directory, 'target'), path);
    assert.throws(
      () => FileLock.tryAcquire(path, 'exclusive'),
      (error) => isErrno(error, 'ELOOP'),
    );
    assert.ok(!existsSync(join(directory, 'target')));
  });

  it('leaks no descriptor, whether the lock is free or not', () => {
    const path = join(directory, 'descriptors');
    using _held = FileLock.tryAcquire(path, 'exclusive');
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 20; i++) {
      assert.equal(FileLock.tryAcquire(path, 'exclusive'), undefined);
      assert.equal(FileLock.isHeld(path), true);
    }
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});

describe('isHeld', () => {
  it('is false for a missing file and does not make it', () => {
    const path = join(directory, 'missing');
    assert.equal(FileLock.isHeld(path), false);
    assert.ok(!existsSync(path));
  });

  it('sees an exclusive holder in another process until it is killed', async () => {
    const path = join(directory, 'killed');
    const holder = await startHolder(path, 'exclusive');
    assert.equal(FileLock.isHeld(path), true);
    await end(holder, 'SIGKILL');
    assert.equal(FileLock.isHeld(path), false);
  });

  it('leaves a free file free', () => {
    const path = join(directory, 'free');
    writeFileSync(path, 'content');
    assert.equal(FileLock.isHeld(path), false);
    using lock = FileLock.tryAcquire(path, 'exclusive');
    assert.ok(lock);
    assert.equal(readFileSync(path, 'utf8'), 'content');
  });
});

describe('acquire', () => {
  it('waits for another process, says once that it waits, and gets the lock after kill -9', async () => {
    const path = join(directory, 'waited-for');
    const holder = await startHolder(path, 'exclusive');
    let waits = 0;
    const waiting = FileLock.acquire(path, 'shared', { onWait: () => waits++ });
    await end(holder, 'SIGKILL');
    using lock = await waiting;
    assert.ok(lock.fd > 2);
    assert.equal(waits, 1);
  });

  it('does not say that it waits when the lock is free', async () => {
    using _lock = await FileLock.acquire(join(directory, 'at-once'), 'exclusive', {
      onWait: () => assert.fail('waited'),
    });
  });

  it('throws the reason of its signal, before or while waiting', async () => {
    const path = join(directory, 'aborted');
    using _held = FileLock.tryAcquire(path, 'exclusive');
    const reason = new Error('stop');
    const controller = new AbortController();
    const waiting = FileLock.acquire(path, 'exclusive', {
      signal: controller.signal,
      onWait: () => setImmediate(() => controller.abort(reason)),
    });
    await assert.rejects(waiting, reason);
    await assert.rejects(
      FileLock.acquire(path, 'exclusive', { signal: controller.signal }),
      reason,
    );
  });

  it('takes the new file when the holder unlinked the one that it waited for', async () => {
    const path = join(directory, 'unlinked');
    const cleaner = FileLock.tryAcquire(path, 'exclusive');
    assert.ok(cleaner);
    const waiting = FileLock.acquire(path, 'exclusive', {
      onWait: () => {
        unlinkSync(path);
        cleaner.release();
      },
    });
    using lock = await waiting;
    assert.equal(FileLock.isHeld(path), true, 'the lock is on the file that others find');
    assert.equal(FileLock.tryAcquire(path, 'exclusive'), undefined);
    assert.ok(lock);
  });

  it('never lets two processes in, though every holder unlinks the file', async () => {
    const path = join(directory, 'fought-over');
    const claim = join(directory, 'claim');
    const program = `
      import { closeSync, openSync, unlinkSync } from 'node:fs';
      import { FileLock } from ${JSON.stringify(MODULE)};
      const [path, claim] = process.argv.slice(1);
      let turns = 0;
      // Without a pause, so that some open the file just before its holder unlinks it.
      while (turns < 500) {
        const lock = FileLock.tryAcquire(path, 'exclusive');
        if (lock === undefined) continue;
        closeSync(openSync(claim, 'wx'));
        unlinkSync(claim);
        unlinkSync(path);
        lock.release();
        turns++;
      }
    `;
    const statuses = await Promise.all(
      [1, 2, 3].map(async () => {
        const args = ['--input-type=module', '-e', program, path, claim];
        const [status] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit');
        return status;
      }),
    );
    assert.deepEqual(statuses, [0, 0, 0]);
  });
});

describe('a lock and child processes', () => {
  it('is not inherited', async () => {
    const path = join(directory, 'not-inherited');
    const lock = FileLock.tryAcquire(path, 'exclusive');
    assert.ok(lock);
    const child = spawnAttached(['/bin/cat'], { stdio: ['pipe', 'ignore', 'ignore'], env: {} });
    lock.release();
    assert.equal(FileLock.isHeld(path), false);
    child.kill('SIGKILL');
    await child.exited;
  });

  it('lasts until the child that was given its descriptor ends', async () => {
    const path = join(directory, 'handed-over');
    const lock = FileLock.tryAcquire(path, 'exclusive');
    assert.ok(lock);
    const child = spawnAttached(['/bin/cat'], {
      stdio: ['pipe', 'ignore', 'ignore', lock.fd],
      env: {},
    });
    lock.release();
    assert.equal(FileLock.isHeld(path), true);
    child.kill('SIGKILL');
    await child.exited;
    assert.equal(FileLock.isHeld(path), false);
  });

  it('stays with the open file when its name moves', () => {
    const path = join(directory, 'before');
    using _lock = FileLock.tryAcquire(path, 'exclusive');
    renameSync(path, join(directory, 'after'));
    assert.equal(FileLock.isHeld(join(directory, 'after')), true);
    closeSync(openSync(path, 'w'));
    assert.equal(FileLock.isHeld(path), false);
  });
});
