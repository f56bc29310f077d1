import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import { engineError } from '../../support/engine-errors.ts';
import { cachingEnvironment } from '../store/child-cache.ts';
import { TempDataDir } from './container-fixture.ts';

const PROGRAM = join(import.meta.dirname, 'container-process.ts');
const NODE_FLAG = '--disable-warning=ExperimentalWarning';
const env = cachingEnvironment();
const hasStrace = spawnSync('strace', ['-V']).status === 0;

async function start(...argv: readonly string[]): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [NODE_FLAG, PROGRAM, ...argv], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
  });
  const [said] = await once(child.stdout, 'data');
  return { child, said: String(said) };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

before(() => spawnSync(process.execPath, [PROGRAM], { env }));

describe('containers of several processes', () => {
  it('tells a supervisor that lives from one that was killed', async () => {
    using temp = new TempDataDir();
    const { child, said: id } = await start('hold', temp.path, 'web');
    assert.equal(ContainerStore.find(temp.path, 'web').phase, 'running');
    assert.deepEqual(ContainerStore.sweepDead(temp.path), []);
    await kill(child);
    const { phase, exit } = ContainerStore.find(temp.path, 'web');
    assert.deepEqual([phase, exit], ['exited', undefined]);
    assert.throws(() => temp.make({ name: 'web' }), engineError('CONTAINER_NAME_IN_USE'));
    const [litter, ...more] = ContainerStore.sweepDead(temp.path);
    assert.equal(litter?.id, id);
    assert.deepEqual(more, []);
    litter?.remove();
    using _next = temp.make({ name: 'web' });
  });

  it('gives a name to exactly one of eight', async () => {
    using temp = new TempDataDir();
    const started = await Promise.all(
      Array.from({ length: 8 }, () => start('try', temp.path, 'web')),
    );
    const said = started.map((each) => each.said).sort();
    await Promise.all(started.map(({ child }) => kill(child)));
    assert.equal(said.filter((word) => word === 'CONTAINER_NAME_IN_USE').length, 7);
    const winner = said.find((word) => word !== 'CONTAINER_NAME_IN_USE');
    assert.equal(ContainerStore.find(temp.path, 'web').id, winner);
    assert.equal(ContainerStore.list(temp.path).length, 1);
  });

  it('come and go in eight processes that also list and sweep, and leave nothing', async () => {
    using temp = new TempDataDir();
    const run = promisify(execFile);
    const names = Array.from({ length: 8 }, (_, at) => (at % 2 === 0 ? '' : `web-${at}`));
    const processes = names.map((name) =>
      run(process.execPath, [NODE_FLAG, PROGRAM, 'live', temp.path, name], { env }),
    );
    // All must have ended before the directory goes, also when one has failed.
    await Promise.allSettled(processes);
    await Promise.all(processes);
    assert.deepEqual(temp.names(), []);
  });
});

describe('a supervisor that is killed', {
  skip: hasStrace ? false : 'strace is not installed',
}, () => {
  for (const call of ['mkdir', 'symlink', 'rename', 'unlink', 'rmdir', 'chmod']) {
    it(`at any ${call} leaves what the next one sweeps, and its name is free then`, () => {
      let kills = 0;
      for (let when = 1; ; when += 1) {
        using temp = new TempDataDir();
        temp.make({ name: 'first' }).remove();
        const { status } = spawnSync(
          'strace',
          [
            ...['-f', '-qq', '-o', '/dev/null'],
            ...['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${when}`],
            ...[process.execPath, NODE_FLAG, PROGRAM, 'once', temp.path, 'web'],
          ],
          { env },
        );
        if (status === 0) break;
        kills += 1;
        for (const litter of ContainerStore.sweepDead(temp.path)) {
          litter.remove();
          litter[Symbol.dispose]();
        }
        using next = temp.make({ name: 'web' });
        assert.deepEqual(temp.names(), [next.id, 'names/web'].sort(), `killed at ${call} ${when}`);
      }
      assert.ok(kills > 0);
    });
  }
});
