import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CancelledError, ProcessSignals } from '../../src/cli/process-signals.ts';

/** Sends this process a signal and waits until its listeners have run. */
async function receive(name: NodeJS.Signals): Promise<void> {
  const arrived = new Promise((resolve) => process.once(name, resolve));
  process.kill(process.pid, name);
  await arrived;
}

describe('ProcessSignals', () => {
  it('aborts at the first signal, with the status of a process that died of it', async () => {
    using signals = new ProcessSignals({ isPassedOn: false });
    await receive('SIGTERM');
    const { reason } = signals.signal;
    assert.ok(reason instanceof CancelledError);
    assert.equal(reason.exitStatus, 143);
  });

  it('gives signals to a subscriber instead, without aborting', async () => {
    using signals = new ProcessSignals({ isPassedOn: true });
    const received: string[] = [];
    using _subscription = signals.subscribe((name) => received.push(name));
    for (const name of ['SIGINT', 'SIGCONT', 'SIGINT', 'SIGTERM'] as const) await receive(name);
    assert.deepEqual(received, ['SIGINT', 'SIGCONT', 'SIGINT', 'SIGTERM']);
    assert.equal(signals.signal.aborted, false);
  });

  it('gives a subscriber the signal that came when it was too late to abort', async () => {
    using signals = new ProcessSignals({ isPassedOn: true });
    await receive('SIGHUP');
    const received: string[] = [];
    using _subscription = signals.subscribe((name) => received.push(name));
    assert.deepEqual(received, ['SIGHUP']);
  });

  it('does not take a signal that a container might want for a wish to cancel', async () => {
    using signals = new ProcessSignals({ isPassedOn: true });
    await receive('SIGALRM');
    assert.equal(signals.signal.aborted, false);
  });

  it('lets go of the process when it is disposed', () => {
    const count = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGALRM');
    const before = count();
    new ProcessSignals({ isPassedOn: true })[Symbol.dispose]();
    assert.equal(count(), before);
  });
});
