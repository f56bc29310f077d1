import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { filesBelow, layoutImageId, NEEDS_ROOT } from '../support/e2e.ts';
import { hostLeftovers } from '../support/host-leftovers.ts';
import { assertRecovered, KILLS, momentsOf } from '../support/kill-sweep.ts';
import { realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';

describe('kill -9 of dray run', NEEDS_ROOT, () => {
  it(`leaves nothing that runs at each of ${KILLS} moments`, async () => {
    await using home = new CliHome();
    const image = await realImage('busybox');
    const imageId = layoutImageId(image);
    await home.succeed(['fetch', '--quiet', `oci:${image.layoutDir}`]);
    const command = ['run', '--rm', imageId, 'sh', '-c', 'echo x > /file; sleep 0.05'];
    await home.succeed(command);
    await home.succeed(['image', 'gc']);
    const earlier = filesBelow(home.dataDir);
    let orphans = 0;
    for (const momentMs of await momentsOf(() => home.succeed(command))) {
      const running = home.start(command);
      await delay(momentMs);
      running.kill('SIGKILL');
      await running.exited;
      if (hostLeftovers(home.directory).length > 0) orphans += 1;
      const when = `killed after ${momentMs.toFixed(1)} ms`;
      assert.equal(await home.succeed(['run', '--rm', imageId, 'echo', 'works']), 'works\n', when);
      await assertRecovered(home, earlier, { when });
    }
    assert.ok(orphans >= KILLS / 5, `only ${orphans} kills hit a container at work`);
  });
});
