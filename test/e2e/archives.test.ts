/** Images that leave and enter through the command line. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage, busyboxLayer } from '../support/busybox-image.ts';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { buildImage } from '../support/image-builder.ts';
import { writeDockerArchive, writeLayout } from '../support/layout-writer.ts';
import { CliHome } from '../support/run-cli.ts';

const NAME = 'docker.io/library/box:1';

describe('archives', NEEDS_ROOT, () => {
  let home: CliHome;
  before(async () => {
    home = new CliHome();
    const layout = writeLayout(join(home.directory, 'layout'), [
      { image: busyboxImage(), refName: NAME },
    ]);
    await home.succeed(['fetch', '--quiet', `oci:${layout}:${NAME}`]);
  });
  after(() => home[Symbol.asyncDispose]());

  it('go through a pipe, and by file, and the image still runs', async () => {
    const file = join(home.directory, 'box.tar');
    const { stdoutBytes } = await home.run(['save', 'box:1']);
    assert.equal(await home.succeed(['image', 'save', '-o', file, 'box:1']), '');
    assert.ok(readFileSync(file).equals(stdoutBytes));
    await home.succeed(['image', 'rm', 'box:1']);
    const loaded = await home.succeed(['load', '--quiet'], { stdin: stdoutBytes });
    assert.equal(loaded, `Loaded image: ${NAME}\n`);
    const again = await home.succeed(['image', 'load', '--json', '-i', file]);
    assert.deepEqual(
      JSON.parse(again).map(({ names }: { names: string[] }) => names),
      [[NAME]],
    );
    assert.equal(await home.succeed(['run', '--rm', 'box:1', 'echo', 'hi']), 'hi\n');
  });

  it('leave nothing beside the file when they fail', async () => {
    const directory = join(home.directory, 'layout');
    const before = readdirSync(directory);
    const result = await home.run(['save', '-o', join(directory, 'x.tar'), 'nosuch']);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /no image "nosuch"/);
    assert.deepEqual(readdirSync(directory), before);
  });

  it('tell what was loaded before one of them failed', async () => {
    const good = busyboxImage();
    const bad = buildImage({ layers: [Buffer.alloc(1024, 'x')], compression: 'none' });
    const file = writeDockerArchive(join(home.directory, 'saved'), [
      { image: good, repoTags: ['good:1'] },
      { image: bad, repoTags: ['bad:1'] },
    ]);
    const result = await home.run(['load', '-i', file]);
    assert.equal(result.stdout, 'Loaded image: docker.io/library/good:1\n');
    assert.match(result.stderr, /^dray: layer 1\/1/m);
    assert.equal(result.status, 1);
  });

  it('can be made of a root file system, with a config', async () => {
    const argv = ['import', '--quiet', '-c', 'ENV WHO=you', '--change', 'CMD echo hello $WHO'];
    const output = await home.succeed([...argv, '-', 'made:1'], { stdin: busyboxLayer() });
    assert.match(output, /^sha256-[0-9a-f]{64}\n$/);
    const path = ['-e', 'PATH=/bin'];
    assert.equal(await home.succeed(['run', '--rm', ...path, 'made:1']), 'hello you\n');
  });
});
