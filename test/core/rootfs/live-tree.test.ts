import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tarOfLive } from '../../../src/core/rootfs/live-tar.ts';
import { walkLive } from '../../../src/core/rootfs/live-tree.ts';

function scratch(): Disposable & { readonly path: string; readonly fd: number } {
  const path = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'dray-live-'));
  const fd = openSync(path, 'r');
  return {
    path,
    fd,
    [Symbol.dispose]: () => {
      closeSync(fd);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

describe('walkLive', () => {
  it('goes as deep as a tree is, with a bounded number of descriptors', async () => {
    using directory = scratch();
    const levels = 300;
    const script = `for i in $(seq ${levels}); do mkdir d; touch "f$i"; cd -P d; done; touch end`;
    execFileSync('/bin/sh', ['-ec', script], { cwd: directory.path });
    const before = readdirSync('/proc/self/fd').length;
    let most = 0;
    const paths: string[] = [];
    for (const { path } of walkLive(directory.fd)) {
      paths.push(path);
      most = Math.max(most, readdirSync('/proc/self/fd').length - before);
    }
    assert.equal(paths.length, 1 + 2 * levels + 1);
    assert.ok(paths.includes(`${'d/'.repeat(levels)}end`));
    assert.ok(paths.includes('f1'), 'what comes after the way down');
    assert.ok(most < 150, `${most} descriptors`);
    assert.equal(readdirSync('/proc/self/fd').length, before);
    const pieces: Buffer[] = [];
    for await (const piece of tarOfLive(walkLive(directory.fd))) pieces.push(piece);
    const names = execFileSync('tar', ['-t'], { input: Buffer.concat(pieces) }).toString();
    assert.equal(names.trimEnd().split('\n').length, paths.length);
  });

  it('follows no link that takes the place of a directory while it walks', () => {
    using directory = scratch();
    using outside = scratch();
    writeFileSync(join(outside.path, 'secret'), 'x');
    for (const name of ['a', 'b', 'c']) {
      mkdirSync(join(directory.path, name));
      writeFileSync(join(directory.path, name, 'own'), 'x');
    }
    const paths: string[] = [];
    for (const { path } of walkLive(directory.fd)) {
      paths.push(path);
      if (path !== 'a') continue;
      // Both the one that the walk is about to enter and one that comes later.
      for (const name of ['a', 'b']) {
        renameSync(join(directory.path, name), join(outside.path, name));
        symlinkSync(outside.path, join(directory.path, name));
      }
    }
    assert.deepEqual(paths, ['', 'a', 'b', 'c', 'c/own']);
  });
});
