import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Container } from '../../../src/core/container/container-store.ts';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import type { EngineError } from '../../../src/core/errors.ts';
import { createVolume } from '../../../src/core/operations/create-volume.ts';
import type { Engine } from '../../../src/core/operations/engine.ts';
import { inspectVolumes, listVolumes } from '../../../src/core/operations/list-volumes.ts';
import { provideVolumes } from '../../../src/core/operations/provide-volumes.ts';
import { removeContainers } from '../../../src/core/operations/remove-containers.ts';
import { pruneVolumes, removeVolumes } from '../../../src/core/operations/remove-volumes.ts';
import { reserveVolumes } from '../../../src/core/operations/reserve-volumes.ts';
import { sweepVolumes } from '../../../src/core/operations/sweep-volumes.ts';
import type { WantedVolume } from '../../../src/core/runtime/volumes.ts';
import { tempEngine } from '../../support/temp-engine.ts';
import { pretendStarted, SPECIMEN } from '../container/container-fixture.ts';

const WANTED: WantedVolume = {
  name: 'db',
  destination: '/data',
  readOnly: false,
  labels: {},
  subpath: undefined,
  content: undefined,
};
const ANONYMOUS = { ...WANTED, name: undefined, destination: '/anonymous' };

/** A container with volumes, started, and held by this process. */
async function containerWith(
  { settings: { dataDir } }: Engine,
  wanted: readonly WantedVolume[],
  { removeOnExit = false, name }: { removeOnExit?: boolean; name?: string } = {},
): Promise<{ container: Container; paths: readonly string[] }> {
  const named = name === undefined ? {} : { name };
  const container = ContainerStore.create(dataDir, { ...SPECIMEN, removeOnExit, ...named });
  const paths = await provideVolumes(wanted, { container, dataDir });
  pretendStarted(container);
  return { container, paths };
}

function namesOf(engine: Engine): string[] {
  return listVolumes(engine).map(({ name }) => name);
}

describe('reserveVolumes', () => {
  it('keeps the named volumes of a container that waits for its start, and fills them then', async () => {
    using temp = tempEngine();
    const { dataDir } = temp.engine.settings;
    const content = join(temp.directory, 'image');
    mkdirSync(content);
    writeFileSync(join(content, 'file'), 'of the image');
    using container = ContainerStore.create(dataDir, SPECIMEN);
    const common = { type: 'volume', destination: '/data', readOnly: false, copyUp: true } as const;
    const mounts = [
      { ...common, name: 'db', labels: { a: '1' } },
      { ...common, destination: '/x' },
    ];
    await reserveVolumes(mounts, { container, dataDir });
    await reserveVolumes(mounts, { container, dataDir });
    await createVolume(temp.engine, { name: 'unused' });
    const { removed, failures } = await removeVolumes(temp.engine, ['db', 'unused']);
    assert.deepEqual(removed, ['unused']);
    assert.equal(failures[0]?.error.code, 'VOLUME_IN_USE');
    assert.deepEqual((await pruneVolumes(temp.engine, { all: true })).removed, []);
    const [volume] = inspectVolumes(temp.engine, ['db']);
    assert.deepEqual([volume?.labels, volume?.usedBy], [{ a: '1' }, [container.id]]);
    const [path = ''] = await provideVolumes([{ ...WANTED, content }], { container, dataDir });
    assert.deepEqual(readdirSync(path), ['file']);
  });
});

describe('provideVolumes', () => {
  it('makes what is missing, with labels, and says who uses it', async () => {
    using temp = tempEngine();
    const { container, paths } = await containerWith(temp.engine, [
      { ...WANTED, labels: { a: '1' } },
      ANONYMOUS,
    ]);
    using _held = container;
    for (const path of paths) assert.deepEqual(readdirSync(path), []);
    const volumes = listVolumes(temp.engine);
    assert.deepEqual(volumes.map(({ isAnonymous }) => isAnonymous).sort(), [false, true]);
    for (const { usedBy, mountpoint } of volumes) {
      assert.deepEqual(usedBy, [container.id]);
      assert.ok(paths.includes(mountpoint));
    }
    assert.deepEqual(inspectVolumes(temp.engine, ['db'])[0]?.labels, { a: '1' });
  });

  it('fills a volume once for one container, and again for another if it is empty', async () => {
    using temp = tempEngine();
    const content = join(temp.directory, 'image');
    mkdirSync(content);
    writeFileSync(join(content, 'file'), 'of the image');
    const wanted = [{ ...WANTED, content }];
    const { dataDir } = temp.engine.settings;
    const { container, paths } = await containerWith(temp.engine, wanted);
    using _held = container;
    const [path = ''] = paths;
    assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'of the image');
    unlinkSync(join(path, 'file'));
    await provideVolumes(wanted, { container, dataDir });
    assert.deepEqual(readdirSync(path), [], 'a container that starts again finds what it left');
    using other = (await containerWith(temp.engine, wanted)).container;
    assert.ok(other.id !== container.id);
    assert.deepEqual(readdirSync(path), ['file']);
  });
});

describe('removeVolumes', () => {
  it('refuses a volume that a container uses, naming it, and removes the others', async () => {
    using temp = tempEngine();
    await createVolume(temp.engine, { name: 'free' });
    const { container } = await containerWith(temp.engine, [WANTED], { name: 'web' });
    for (const phase of ['running', 'exited']) {
      if (phase === 'exited') container[Symbol.dispose]();
      const { removed, failures } = await removeVolumes(temp.engine, ['db', 'free', 'none']);
      assert.deepEqual(removed, phase === 'running' ? ['free'] : []);
      assert.equal(failures[0]?.error.code, 'VOLUME_IN_USE');
      assert.match(
        failures[0]?.error.message ?? '',
        new RegExp(`${container.id.slice(0, 12)}.*web`),
      );
      assert.equal(failures.at(-1)?.error.code, 'VOLUME_NOT_FOUND');
    }
    await removeContainers(temp.engine, ['web']);
    const { removed } = await removeVolumes(temp.engine, ['db', 'db']);
    assert.deepEqual(removed, ['db']);
  });

  it('does not mind a missing volume when forced, but one that is in use', async () => {
    using temp = tempEngine();
    using _held = (await containerWith(temp.engine, [WANTED])).container;
    const { removed, failures } = await removeVolumes(temp.engine, ['none', 'db'], { force: true });
    assert.deepEqual(removed, []);
    assert.deepEqual(
      failures.map(({ error }) => error.code),
      ['VOLUME_IN_USE'],
    );
  });

  it('takes no account of a run that was killed and was to be removed', async () => {
    using temp = tempEngine();
    const { container } = await containerWith(temp.engine, [WANTED], { removeOnExit: true });
    container[Symbol.dispose]();
    assert.deepEqual((await removeVolumes(temp.engine, ['db'])).removed, ['db']);
    assert.equal(existsSync(container.directory), false);
  });

  it('removes nothing while it cannot be told what a container uses', async () => {
    using temp = tempEngine();
    await createVolume(temp.engine, { name: 'db' });
    const { container } = await containerWith(temp.engine, [WANTED]);
    using _held = container;
    writeFileSync(join(container.directory, 'volumes.json'), '{');
    const removal = removeVolumes(temp.engine, ['db']);
    await assert.rejects(removal, (error: EngineError) => error.code === 'STORE_CORRUPT');
  });

  it('never removes a volume that a container got at the same time', async () => {
    using temp = tempEngine();
    for (let round = 0; round < 10; round += 1) {
      const [{ container, paths }] = await Promise.all([
        containerWith(temp.engine, [WANTED]),
        removeVolumes(temp.engine, ['db'], { force: true }),
      ]);
      assert.ok(existsSync(paths[0] ?? ''));
      container.remove();
      container[Symbol.dispose]();
    }
  });
});

describe('the volumes of a container', () => {
  it('go with it when it removes itself', async () => {
    using temp = tempEngine();
    const { container } = await containerWith(temp.engine, [WANTED, ANONYMOUS], {
      removeOnExit: true,
    });
    using _held = container;
    assert.equal(namesOf(temp.engine).length, 2);
    container.remove();
    assert.deepEqual(namesOf(temp.engine), ['db']);
    assert.deepEqual(readdirSync(join(temp.engine.settings.dataDir, 'volumes')).sort(), [
      '.lock',
      'db',
    ]);
  });

  it('are swept when it was killed, unless another container uses them', async () => {
    using temp = tempEngine();
    const first = await containerWith(temp.engine, [ANONYMOUS], { removeOnExit: true });
    const [anonymous = ''] = namesOf(temp.engine);
    using other = (await containerWith(temp.engine, [{ ...WANTED, name: anonymous }])).container;
    first.container.remove();
    first.container[Symbol.dispose]();
    await sweepVolumes(temp.engine.settings.dataDir);
    assert.ok(existsSync(first.paths[0] ?? ''));
    other.remove();
    await sweepVolumes(temp.engine.settings.dataDir);
    assert.equal(existsSync(first.paths[0] ?? ''), false);
  });

  it('stay after rm, and go with rm -v', async () => {
    using temp = tempEngine();
    for (const volumes of [false, true]) {
      const { container, paths } = await containerWith(temp.engine, [ANONYMOUS]);
      container[Symbol.dispose]();
      const { removed } = await removeContainers(temp.engine, [container.id], { volumes });
      assert.deepEqual(removed, [container.id]);
      await sweepVolumes(temp.engine.settings.dataDir);
      assert.equal(existsSync(paths[0] ?? ''), !volumes);
    }
    assert.equal(namesOf(temp.engine).length, 1);
  });
});

describe('pruneVolumes', () => {
  async function withVolumes(temp: { readonly engine: Engine }): Promise<Container> {
    await createVolume(temp.engine, { name: 'named', labels: { keep: 'yes' } });
    await createVolume(temp.engine, { name: 'other' });
    await createVolume(temp.engine, {});
    return (await containerWith(temp.engine, [WANTED, ANONYMOUS])).container;
  }

  it('removes the anonymous volumes that nobody uses', async () => {
    using temp = tempEngine();
    using _held = await withVolumes(temp);
    const { removed, freedBytes } = await pruneVolumes(temp.engine, { all: false });
    assert.equal(removed.length, 1);
    assert.match(removed[0] ?? '', /^[0-9a-f]{64}$/);
    assert.ok(freedBytes > 0);
    assert.equal(namesOf(temp.engine).length, 4);
  });

  it('removes all that nobody uses and a filter wants', async () => {
    using temp = tempEngine();
    using _held = await withVolumes(temp);
    const isWanted = ({ labels }: { labels: object }) => !('keep' in labels);
    const { removed } = await pruneVolumes(temp.engine, { all: true, isWanted });
    assert.equal(removed.length, 2);
    assert.deepEqual(
      namesOf(temp.engine).filter((name) => name.length < 64),
      ['db', 'named'],
    );
  });
});
