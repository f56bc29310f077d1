import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { isErrno } from '../../../src/core/host/libc.ts';
import { type RunOptions, runToCompletion, spawnAttached } from '../../../src/core/host/process.ts';

const MODULE = new URL('../../../src/core/host/process.ts', import.meta.url).href;
const LIMITS: RunOptions = { env: {}, timeoutMs: 20_000, maxOutputBytes: 1 << 20 };

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'process-'));
});
after(() => rmSync(directory, { recursive: true }));

function shell(script: string, options: Partial<RunOptions> = {}) {
  return runToCompletion(['/bin/sh', '-c', script], { ...LIMITS, ...options });
}

function isRunning(pid: number): boolean {
  try {
    // A zombie has ended; only its parent has not looked yet.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

describe('runToCompletion', () => {
  it('gives the status and the exact bytes of both outputs', async () => {
    const result = await shell("printf 'a\\377\\0'; printf err >&2; exit 7");
    assert.equal(result.status, 7);
    assert.equal(result.signalName, null);
    assert.deepEqual([...result.stdout], [0x61, 0xff, 0]);
    assert.equal(result.stderr.toString(), 'err');
  });

  it('gives the signal that ended the child', async () => {
    const result = await shell('kill -KILL $$');
    assert.equal(result.status, null);
    assert.equal(result.signalName, 'SIGKILL');
  });

  it('passes arguments as they are, and exactly the given environment', async () => {
    const argv = ['/bin/sh', '-c', 'echo "$1"; exec /usr/bin/env', 'sh', '$(id); *'];
    const result = await runToCompletion(argv, { ...LIMITS, env: { ONLY: 'this' } });
    const lines = result.stdout.toString().trim().split('\n');
    assert.equal(lines[0], '$(id); *');
    assert.deepEqual(lines.filter((line) => !line.startsWith('PWD=')).slice(1), ['ONLY=this']);
  });

  it('feeds stdin, also when the child does not read it', async () => {
    assert.equal((await shell('cat', { stdin: 'in\n' })).stdout.toString(), 'in\n');
    assert.equal((await shell('cat')).stdout.length, 0);
    assert.equal((await shell('exit 3', { stdin: Buffer.alloc(4 << 20) })).status, 3);
  });

  it('runs in the given directory', async () => {
    assert.equal((await shell('pwd -P', { cwd: directory })).stdout.toString(), `${directory}\n`);
  });

  const unstartable = [
    { name: 'a missing program', argv: ['/nowhere/program'], errno: 'ENOENT' },
    { name: 'a file that is not executable', argv: ['/etc/passwd'], errno: 'EACCES' },
    { name: 'a missing directory', argv: ['/bin/true'], cwd: '/nowhere', errno: 'ENOENT' },
  ];
  for (const { name, argv, errno, cwd } of unstartable) {
    it(`reports ${errno} for ${name}`, async () => {
      await assert.rejects(runToCompletion(argv, { ...LIMITS, cwd }), (error) =>
        isErrno(error, errno),
      );
      assert.throws(
        () => spawnAttached(argv, { stdio: 'ignore', env: {}, cwd }),
        (error) => isErrno(error, errno),
      );
    });
  }

  it('ends a child that takes too long, by SIGTERM first', async () => {
    const trace = join(directory, 'terminated');
    const script = `trap 'echo yes > ${trace}; exit 0' TERM; while :; do sleep 0.01; done`;
    await assert.rejects(shell(script, { timeoutMs: 300 }), /did not end within 300 ms/);
    assert.equal(readFileSync(trace, 'utf8'), 'yes\n');
  });

  it('kills a child that ignores SIGTERM, and returns only when it is gone', async () => {
    const pidFile = join(directory, 'stubborn');
    const script = `trap '' TERM; echo $$ > ${pidFile}; while :; do sleep 0.05; done`;
    await assert.rejects(shell(script, { timeoutMs: 300 }), /did not end/);
    assert.equal(isRunning(Number(readFileSync(pidFile, 'utf8'))), false);
  });

  it('does not wait for ever when a grandchild keeps the output open', async () => {
    const pidFile = join(directory, 'grandchild');
    const script = `/bin/sleep 60 & echo $! > ${pidFile}`;
    await assert.rejects(shell(script, { timeoutMs: 300 }), /did not end/);
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  });

  it('ends a child that writes without end', async () => {
    for (const script of ['exec yes', 'exec yes >&2']) {
      await assert.rejects(
        shell(script, { maxOutputBytes: 1000 }),
        /wrote more than 1000 bytes of output/,
      );
    }
    assert.equal((await shell('printf 1234', { maxOutputBytes: 4 })).stdout.length, 4);
  });

  it('throws the reason of its signal, with the child gone', async () => {
    const reason = new Error('stop');
    const controller = new AbortController();
    const pidFile = join(directory, 'aborted');
    const running = shell(`echo $$ > ${pidFile}; exec sleep 60`, { signal: controller.signal });
    while (!existsSync(pidFile) || readFileSync(pidFile, 'utf8') === '') {
      await new Promise(setImmediate);
    }
    controller.abort(reason);
    await assert.rejects(running, reason);
    assert.equal(isRunning(Number(readFileSync(pidFile, 'utf8'))), false);
    await assert.rejects(shell('true', { signal: controller.signal }), reason);
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    await shell('true', { signal });
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });
});

describe('spawnAttached', () => {
  it('resolves with the end of the child and lets it be signalled', async () => {
    const child = spawnAttached(['/bin/sleep', '60'], { stdio: 'ignore', env: {} });
    assert.ok(isRunning(child.pid));
    assert.equal(child.kill('SIGTERM'), true);
    assert.deepEqual(await child.exited, { status: null, signalName: 'SIGTERM' });
    assert.equal(child.kill('SIGTERM'), false);
  });

  for (const newSession of [false, true]) {
    it(`${newSession ? 'gives' : 'does not give'} the child a session of its own`, async () => {
      const argv = ['/bin/sh', '-c', 'cut -d" " -f 5,6 /proc/self/stat; echo $$'];
      const env = { PATH: '/usr/bin:/bin' };
      const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'ignore'];
      const child = spawnAttached(argv, { stdio, env, newSession });
      const output = child.stdio[1];
      assert.ok(output && 'readable' in output);
      const [groupAndSession, pid] = (await text(output)).split('\n');
      await child.exited;
      const own = `${pid} ${pid}` === groupAndSession;
      assert.equal(own, newSession);
    });
  }

  it('hands on the given descriptors only, whatever leaked into our own process', () => {
    // Node itself closes what leaked up to the first gap above 15; the control line shows the rest.
    const program = `
      import { runToCompletion, spawnAttached } from ${JSON.stringify(MODULE)};
      import { spawnSync } from 'node:child_process';
      const list = ['/bin/ls', '/proc/self/fd'];
      const leaky = spawnSync(list[0], list.slice(1)).stdout.toString();
      console.log(leaky.split('\\n').includes('200') ? 'node leaks' : 'node does not leak');
      const ran = await runToCompletion(list, { env: {}, timeoutMs: 9999, maxOutputBytes: 9999 });
      console.log(ran.stdout.toString().trim().split('\\n').join(' '));
      const child = spawnAttached(list, { stdio: 'inherit', env: {} });
      await child.exited;
    `;
    const script = `
      for fd in 5 12 18 $(seq 100 250) 300; do eval "exec $fd</etc/passwd"; done
      exec "$0" --input-type=module -e "$1"`;
    const { stdout, stderr } = spawnSync('/bin/bash', ['-c', script, process.execPath, program]);
    const lines = stdout.toString().trim().split('\n');
    // The child's own descriptor for the listing is the 3.
    assert.deepEqual(lines, ['node leaks', '0 1 2 3', '0', '1', '2', '3'], stderr.toString());
  });

  it('passes an extra descriptor that it is told to', async () => {
    const fd = openSync('/etc/passwd', 'r');
    const child = spawnAttached(['/usr/bin/test', '-e', '/proc/self/fd/7'], {
      stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', fd],
      env: {},
    });
    closeSync(fd);
    assert.deepEqual(await child.exited, { status: 0, signalName: null });
  });
});
