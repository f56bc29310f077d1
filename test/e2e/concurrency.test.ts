import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DockerRegistry, pushWithSkopeo } from '../support/docker-registry.ts';
import { layoutImageId, layoutManifest, NEEDS_ROOT } from '../support/e2e.ts';
import { type LayoutImage, realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';

const AT_ONCE = 8;

describe('several processes at once', NEEDS_ROOT, () => {
  let registry: DockerRegistry;
  let image: LayoutImage;
  let reference: string;

  before(async () => {
    registry = await DockerRegistry.start();
    image = await realImage('debian');
    reference = await pushWithSkopeo(image, { registry, name: 'debian:12' }, { format: 'oci' });
  });
  after(() => registry[Symbol.asyncDispose]());

  const all = <T>(work: (position: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: AT_ONCE }, (_, position) => work(position)));

  it('eight fetches of one image succeed, and each blob is transferred once', async () => {
    await using home = new CliHome();
    const earlier = registry.requests().length;
    const outputs = await all(() => home.succeed(['fetch', '--quiet', reference]));
    assert.deepEqual(
      outputs,
      Array.from({ length: AT_ONCE }, () => `${layoutImageId(image)}\n`),
    );
    const { config, layers } = layoutManifest(image);
    const requests = registry.requests().slice(earlier);
    for (const { digest } of [config, ...layers]) {
      const transfers = requests.filter(
        ({ method, path }) => method === 'GET' && path.endsWith(digest),
      );
      assert.equal(transfers.length, 1, `${digest} was transferred ${transfers.length} times`);
    }
    await home.succeed(['image', 'verify']);
  });

  it('eight first runs of a missing image succeed', async () => {
    await using home = new CliHome();
    const outputs = await all((position) =>
      home.succeed(['run', '--rm', '--quiet', reference, 'echo', `${position}`]),
    );
    assert.deepEqual(
      outputs,
      Array.from({ length: AT_ONCE }, (_, position) => `${position}\n`),
    );
  });

  it('gc, list and rm beside fetches and runs break none of them', async () => {
    await using home = new CliHome();
    const busybox = await realImage('busybox');
    const small = await pushWithSkopeo(busybox, { registry, name: 'busybox:1' }, { format: 'oci' });
    await home.succeed(['fetch', '--quiet', small]);
    await all(async (position) => {
      if (position % 4 === 0) await home.succeed(['fetch', '--quiet', reference]);
      if (position % 4 === 1) await home.succeed(['image', 'gc']);
      if (position % 4 === 2) await home.succeed(['run', '--rm', small, 'ls', '/bin']);
      if (position % 4 === 3) await home.succeed(['image', 'list', '--json']);
    });
    await home.succeed(['image', 'verify']);
    assert.equal(JSON.parse(await home.succeed(['image', 'list', '--json'])).length, 2);
  });
});
