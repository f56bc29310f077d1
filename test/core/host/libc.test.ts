import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import {
  isErrno,
  markDescriptorsCloseOnExec,
  markEachDescriptorCloseOnExec,
  SystemCallError,
  tryFlock,
  unlockFlock,
  withSystemErrors,
} from '../../../src/core/host/libc.ts';

const MODULE = new URL('../../../src/core/host/libc.ts', import.meta.url).href;

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'libc-'));
});
after(() => rmSync(directory, { recursive: true }));

/** Runs a program that imports `libc`, in a Node without any flag. */
function runProgram(statements: string): { stdout: string; stderr: string } {
  const program = `import * as libc from ${JSON.stringify(MODULE)}; ${statements}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  return { stdout, stderr };
}

describe('loading the C library', () => {
  it('says nothing to the user, and leaves warnings working afterwards', () => {
    const { stderr } = runProgram(
      'libc.markDescriptorsCloseOnExec(3); process.emitWarning("still heard");',
    );
    assert.doesNotMatch(stderr, /FFI|ExperimentalWarning/);
    assert.match(stderr, /still heard/);
  });

  it('happens at the first call, not at import', () => {
    const { stdout } = runProgram(`
      const loads = [];
      const load = process.getBuiltinModule;
      process.getBuiltinModule = (name) => { loads.push(name); return load(name); };
      console.log(loads.length);
      libc.markDescriptorsCloseOnExec(3);
      libc.markDescriptorsCloseOnExec(3);
      console.log(loads.join());
    `);
    assert.equal(stdout, '0\nnode:ffi\n');
  });

  it('reports a Node without node:ffi as an unsupported host', () => {
    const { stdout } = runProgram(`
      process.getBuiltinModule = () => undefined;
      try { libc.tryFlock(0, 'shared'); } catch (error) { console.log(error.code); }
    `);
    assert.equal(stdout, 'HOST_UNSUPPORTED\n');
  });
});

describe('SystemCallError', () => {
  it('names the call, the errno and the place, and is an EngineError', () => {
    try {
      tryFlock(987_654, 'shared');
      assert.fail('it cannot succeed');
    } catch (error) {
      assert.ok(error instanceof SystemCallError && error instanceof EngineError);
      assert.equal(error.code, 'HOST_CALL_FAILED');
      assert.equal(error.errno, 'EBADF');
      assert.equal(
        error.message,
        'flock failed on descriptor 987654: EBADF (bad file descriptor).',
      );
    }
  });

  it('wraps system errors of Node, and nothing else', () => {
    assert.throws(
      () => withSystemErrors('over there', () => openSync('/nowhere/file', 'r')),
      (error) =>
        error instanceof SystemCallError &&
        error.message === 'open failed over there: ENOENT (no such file or directory).' &&
        isErrno(error, 'ENOENT') &&
        isErrno(error.cause, 'ENOENT') &&
        !isErrno(error, 'EACCES'),
    );
    const bug = new TypeError('a bug');
    assert.throws(
      () =>
        withSystemErrors('over there', () => {
          throw bug;
        }),
      bug,
    );
    assert.equal(
      withSystemErrors('over there', () => 7),
      7,
    );
  });
});

describe('tryFlock', () => {
  it('is false while another open file has the lock, and true once it is released', () => {
    const path = join(directory, 'locked');
    const first = openSync(path, 'w');
    const second = openSync(path, 'r');
    try {
      assert.equal(tryFlock(first, 'exclusive'), true);
      assert.equal(tryFlock(second, 'exclusive'), false);
      assert.equal(tryFlock(second, 'shared'), false);
      unlockFlock(first);
      assert.equal(tryFlock(second, 'exclusive'), true);
    } finally {
      closeSync(first);
      closeSync(second);
    }
  });
});

describe('marking descriptors close-on-exec', () => {
  const ways = [
    { name: 'all at once', mark: 'markDescriptorsCloseOnExec', from: 3 },
    { name: 'one by one', mark: 'markEachDescriptorCloseOnExec', from: 3 },
    { name: 'from a higher one', mark: 'markDescriptorsCloseOnExec', from: 20 },
  ];
  for (const { name, mark, from } of ways) {
    it(`closes them in children, ${name}`, () => {
      const program = `
        import * as libc from ${JSON.stringify(MODULE)};
        import { spawnSync } from 'node:child_process';
        const list = () => spawnSync('/bin/ls', ['/proc/self/fd']).stdout.toString();
        const before = list();
        libc.${mark}(${from});
        console.log(JSON.stringify([before, list()]));
      `;
      const script =
        'exec 18</dev/null 25</dev/null 300</dev/null; exec "$0" --input-type=module -e "$1"';
      const { stdout } = spawnSync('/bin/bash', ['-c', script, process.execPath, program]);
      const [before, after] = JSON.parse(stdout.toString()) as [string, string];
      const present = (listing: string) =>
        ['18', '25', '300'].filter((fd) => listing.split('\n').includes(fd));
      assert.deepEqual(present(before), ['18', '25', '300'], 'Node leaks them');
      assert.deepEqual(present(after), from > 18 ? ['18'] : []);
    });
  }

  it('keeps the descriptors usable for us', () => {
    const fd = openSync('/proc/self/cmdline', 'r');
    markDescriptorsCloseOnExec(3);
    markEachDescriptorCloseOnExec(3);
    assert.ok(readFileSync(fd).length > 0);
    closeSync(fd);
  });
});
