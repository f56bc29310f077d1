import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { layoutImageId, NEEDS_ROOT } from '../support/e2e.ts';
import { realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';

describe('dray enter, cp, export, diff and commit', NEEDS_ROOT, () => {
  it('work on one container from its start to its image', async () => {
    await using home = new CliHome();
    const image = await realImage('busybox');
    const imageId = layoutImageId(image);
    await home.succeed(['fetch', '--quiet', `oci:${image.layoutDir}`]);
    const command = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done';
    const running = home.start(['run', '--name', 'web', imageId, 'sh', '-c', command]);
    while (!running.output().includes('ready')) await delay(10);

    const status = async (...argv: string[]) => (await home.run(argv)).status;
    assert.equal(
      await home.succeed(['enter', 'web', 'sh', '-c', 'echo $0 "$@"', '-v', '--x']),
      '-v --x\n',
    );
    assert.equal(
      await home.succeed(['enter', '-i', 'web'], { stdin: 'echo by the shell' }),
      'by the shell\n',
    );
    assert.equal(await status('exec', 'web', 'sh', '-c', 'exit 9'), 9);
    assert.equal(await status('exec', 'web', '/etc'), 126);
    assert.equal(await status('exec', 'web', 'nope'), 127);
    assert.equal(await status('exec', 'nobody', 'true'), 125);
    assert.notEqual(await status('exec', 'web'), 0, 'exec wants a command');

    const bytes = randomBytes(1_000_003);
    const sum = createHash('sha256').update(bytes).digest('hex');
    const echoed = await home.run(['enter', '-i', 'web', 'cat'], { stdin: bytes });
    assert.ok(echoed.stdoutBytes.equals(bytes));
    await home.succeed(['exec', '-i', 'web', 'sh', '-c', 'cat > /bytes'], { stdin: bytes });
    await home.succeed(['cp', 'web:/bytes', join(home.directory, 'out')]);
    assert.ok(readFileSync(join(home.directory, 'out')).equals(bytes));
    const tar = await home.run(['cp', 'web:/bytes', '-']);
    const names = execFileSync('tar', ['-t'], { input: tar.stdoutBytes, maxBuffer: 1 << 24 });
    assert.equal(names.toString(), 'bytes\n');
    await home.succeed(['cp', '-', 'web:/tmp'], { stdin: tar.stdoutBytes });
    assert.equal(await home.succeed(['diff', 'web']), 'A /bytes\nC /tmp\nA /tmp/bytes\n');

    const made = await home.succeed([
      'commit',
      '-c',
      'CMD ["sha256sum", "/tmp/bytes"]',
      'web',
      'made',
    ]);
    assert.match(made, /^sha256-[0-9a-f]{64}\n$/);
    assert.equal(await home.succeed(['run', '--rm', 'made']), `${sum}  /tmp/bytes\n`);
    await home.succeed(['image', 'verify', 'made']);

    running.kill('SIGTERM');
    await running.exited;
    const file = join(home.directory, 'web.tar');
    await home.succeed(['export', 'web', '-o', file]);
    assert.match(execFileSync('tar', ['-tf', file]).toString(), /^bytes$/m);
    assert.equal(await status('enter', 'web'), 125);
    await home.succeed(['rm', 'web']);
  });
});
