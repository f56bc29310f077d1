import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { busyboxImage, busyboxLayer } from '../support/busybox-image.ts';
import { DockerRegistry, pushWithSkopeo } from '../support/docker-registry.ts';
import { filesBelow, layoutManifest, NEEDS_ROOT } from '../support/e2e.ts';
import { hostLeftovers } from '../support/host-leftovers.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';
import { tarOf } from '../support/tar-builder.ts';

const KILLS = 50;

/**
 * Moments spread over the whole of a command, in no order: a golden-ratio sequence hits every phase
 * evenly, and the same moments come again when a failure has to be looked at.
 */
function* moments(lastMs: number): Generator<number> {
  for (let count = 1; count <= KILLS; count += 1) yield ((count * 0.618_033_988_75) % 1) * lastMs;
}

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

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

describe('kill -9', NEEDS_ROOT, () => {
  let registry: DockerRegistry;
  let home: CliHome;
  let base: string;
  let target: string;
  let targetId: string;

  before(async () => {
    registry = await DockerRegistry.start();
    home = new CliHome();
    const built = busyboxImage({ layers: [busyboxLayer(), ...dataLayers()] });
    const layoutDir = writeLayout(join(home.directory, 'target'), [
      { image: built, refName: 'latest' },
    ]);
    targetId = built.imageId;
    const layout = { layoutDir, tag: 'latest' };
    target = await pushWithSkopeo(layout, { registry, name: 'target:1' }, { format: 'oci' });
    const busybox = await realImage('busybox');
    base = await pushWithSkopeo(busybox, { registry, name: 'base:1' }, { format: 'oci' });
    await home.succeed(['fetch', base]);
    await home.succeed(['run', '--rm', base, 'true']);
    await home.succeed(['image', 'gc']);
  });
  after(async () => {
    await home[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  function isTargetStored(): boolean {
    return readFileSync(join(home.dataDir, 'index.json'), 'utf8').includes(target);
  }

  /** The next command works, the store is sound, and gc takes it back to what it was. */
  async function assertRecovered(
    earlier: ReadonlyMap<string, number>,
    when: string,
  ): Promise<void> {
    assert.deepEqual(await home.leftovers(), [], when);
    const verified = await home.run(['image', 'verify']);
    assert.equal(verified.status, 0, `${when}: ${verified.stdout}${verified.stderr}`);
    if (isTargetStored()) await home.succeed(['image', 'rm', targetId]);
    await home.succeed(['image', 'gc']);
    assert.deepEqual(filesBelow(home.dataDir), earlier, when);
  }

  it(`at ${KILLS} moments of fetch leaves a sound store`, async () => {
    const earlier = filesBelow(home.dataDir);
    const lastMs = await timed(() => home.succeed(['fetch', '--quiet', target]));
    await assertRecovered(earlier, 'not killed');
    let halfway = 0;
    for (const momentMs of moments(lastMs * 1.05)) {
      const running = home.start(['fetch', '--quiet', target]);
      await delay(momentMs);
      running.kill('SIGKILL');
      await running.exited;
      if (filesBelow(join(home.dataDir, 'ingest')).size > 0) halfway += 1;
      await assertRecovered(
        earlier,
        `killed after ${momentMs.toFixed(1)} of ${lastMs.toFixed(0)} ms`,
      );
    }
    await home.succeed(['fetch', '--quiet', target]);
    await assertRecovered(earlier, 'fetched at last');
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

  it(`at ${KILLS} moments of run leaves nothing that runs`, async () => {
    const earlier = filesBelow(home.dataDir);
    const command = ['run', '--rm', base, 'sh', '-c', 'echo x > /file; sleep 0.05'];
    const lastMs = await timed(() => home.succeed(command));
    let orphans = 0;
    for (const momentMs of moments(lastMs * 1.05)) {
      const running = home.start(command);
      await delay(momentMs);
      running.kill('SIGKILL');
      await running.exited;
      if (hostLeftovers(home.directory).length > 0) orphans += 1;
      const when = `killed after ${momentMs.toFixed(1)} of ${lastMs.toFixed(0)} ms`;
      assert.equal(await home.succeed(['run', '--rm', base, 'echo', 'works']), 'works\n', when);
      await assertRecovered(earlier, when);
    }
    assert.ok(orphans >= KILLS / 5, `only ${orphans} kills hit a container at work`);
  });
});
