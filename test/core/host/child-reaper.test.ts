import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { adoptOrphans, waitForOrphan } from '../../../src/core/host/child-reaper.ts';
import { isErrno } from '../../../src/core/host/libc.ts';

/** Starts a shell that starts another one in the background, tells its pid, and ends. */
async function orphan(script: string): Promise<number> {
  const parent = spawn('/bin/sh', ['-c', `sh -c '${script}' >/dev/null 2>&1 & echo $!`]);
  let told = '';
  parent.stdout.on('data', (chunk) => {
    told += chunk;
  });
  await once(parent, 'close');
  return Number(told);
}

describe('waitForOrphan', () => {
  const rows = [
    { name: 'a status', script: 'exit 7', end: { status: 7, signalName: null } },
    { name: 'status 0', script: 'exit 0', end: { status: 0, signalName: null } },
    { name: 'a signal', script: 'kill -9 $$', end: { status: null, signalName: 'SIGKILL' } },
    {
      name: 'an end that comes later',
      script: 'sleep 0.3; exit 3',
      end: { status: 3, signalName: null },
    },
  ];
  for (const { name, script, end } of rows) {
    it(`learns how an adopted process ended: ${name}`, async () => {
      adoptOrphans();
      const pid = await orphan(script);
      let reaped = 0;
      const found = await waitForOrphan(pid, () => {
        reaped += 1;
      });
      assert.deepEqual(found, end);
      assert.equal(reaped, 1);
      assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    });
  }

  it('fails for a process that is not ours', async () => {
    await assert.rejects(
      waitForOrphan(1, () => {}),
      (error) => isErrno(error, 'ECHILD'),
    );
  });
});
