import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { busyboxImage, busyboxLayer } from '../support/busybox-image.ts';
import { DockerRegistry, pushWithSkopeo } from '../support/docker-registry.ts';
import { filesBelow, layoutManifest, NEEDS_ROOT } from '../support/e2e.ts';
import { assertRecovered, KILLS, momentsOf } from '../support/kill-sweep.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';
import { tarOf } from '../support/tar-builder.ts';

/** How much of a blob lies in the ingest directory. */
function arrivedBytes(home: CliHome, hex: string): number {
  const directory = join(home.dataDir, 'ingest');
  if (!existsSync(directory)) return 0;
  const sizes = filesBelow(directory)
    .entries()
    .filter(([name]) => name.includes(hex) && name.endsWith('.blob'))
    .map(([, size]) => size);
  return Math.max(0, ...sizes);
}

/** Enough layers and bytes that a fetch spends time in each of its phases. */
function dataLayers(): Buffer[] {
  return Array.from({ length: 11 }, (_, layer) =>
    tarOf(
      Array.from({ length: 40 }, (_, file) => ({
        name: `srv/layer-${layer}/file-${file}`,
        content: randomBytes(8192).toString('base64'),
      })),
    ),
  );
}

describe('kill -9 of dray fetch', NEEDS_ROOT, () => {
  let registry: DockerRegistry;

  before(async () => {
    registry = await DockerRegistry.start();
  });
  after(() => registry[Symbol.asyncDispose]());

  it(`leaves a sound store at each of ${KILLS} moments`, async () => {
    await using home = new CliHome();
    const busybox = await realImage('busybox');
    const base = await pushWithSkopeo(busybox, { registry, name: 'base:1' }, { format: 'oci' });
    const built = busyboxImage({ layers: [busyboxLayer(), ...dataLayers()] });
    const layoutDir = writeLayout(join(home.directory, 'target'), [
      { image: built, refName: 'latest' },
    ]);
    const layout = { layoutDir, tag: 'latest' };
    const target = await pushWithSkopeo(layout, { registry, name: 'target:1' }, { format: 'oci' });
    await home.succeed(['fetch', '--quiet', base]);
    await home.succeed(['image', 'gc']);
    const earlier = filesBelow(home.dataDir);
    const isStored = (): boolean =>
      readFileSync(join(home.dataDir, 'index.json'), 'utf8').includes(target);
    const recovered = (when: string): Promise<void> =>
      assertRecovered(home, earlier, {
        when,
        tidy: async () => {
          if (isStored()) await home.succeed(['image', 'rm', built.imageId]);
        },
      });
    const moments = await momentsOf(() => home.succeed(['fetch', '--quiet', target]));
    await recovered('not killed');
    let halfway = 0;
    for (const momentMs of moments) {
      const running = home.start(['fetch', '--quiet', target]);
      await delay(momentMs);
      running.kill('SIGKILL');
      await running.exited;
      if (filesBelow(join(home.dataDir, 'ingest')).size > 0) halfway += 1;
      await recovered(`killed after ${momentMs.toFixed(1)} ms`);
    }
    await home.succeed(['fetch', '--quiet', target]);
    await recovered('fetched at last');
    assert.ok(halfway >= KILLS / 5, `only ${halfway} kills hit a fetch at work`);
  });

  it('and a fetch goes on from the bytes that are there', async () => {
    await using own = new CliHome();
    const debian = await realImage('debian');
    const big = await pushWithSkopeo(debian, { registry, name: 'big:1' }, { format: 'oci' });
    const layer = layoutManifest(debian).layers[0];
    assert.ok(layer !== undefined);
    const hex = layer.digest.slice('sha256:'.length);
    const earlier = registry.requests().length;
    const running = own.start(['fetch', '--quiet', big]);
    while (arrivedBytes(own, hex) < layer.size / 4 && running.child.exitCode === null)
      await delay(1);
    running.kill('SIGKILL');
    await running.exited;
    await own.succeed(['fetch', '--quiet', big]);
    // The registry writes the line of the first transfer when it notices that nobody reads on.
    const transfers = registry
      .requests()
      .slice(earlier)
      .filter(({ path, method }) => method === 'GET' && path.endsWith(layer.digest));
    const resumed = transfers.filter(({ status }) => status === 206);
    assert.equal(resumed.length, 1, JSON.stringify(transfers));
    assert.ok(
      transfers.every(({ sizeBytes }) => sizeBytes < layer.size),
      JSON.stringify(transfers),
    );
    await own.succeed(['image', 'verify']);
  });
});
