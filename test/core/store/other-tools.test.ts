import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { collect } from '../../../src/core/store/collect.ts';
import { type BuiltImage, buildImage } from '../../support/image-builder.ts';
import { NOT_IN_USE, problemsOf, putImage, TempStore } from './store-fixture.ts';

const LAYER = execFileSync('tar', ['-C', '/', '-c', 'etc/hostname']);
const NAME = 'docker.io/library/app:latest';

function image(text: string): BuiltImage {
  return buildImage({ layers: [LAYER], config: { Cmd: [text] } });
}

function without(program: string): string | false {
  return spawnSync(program, ['--version']).status === 0 ? false : `${program} is not installed`;
}

async function storeWith(temp: TempStore): Promise<void> {
  const store = temp.open();
  await putImage(store, image('old'), NAME);
  await putImage(store, image('new'), NAME);
  await putImage(store, image('other'), '127.0.0.1:5000/a/b:1');
}

describe('other tools', () => {
  it('read the store as an image layout: skopeo', { skip: without('skopeo') }, async () => {
    using temp = new TempStore();
    await storeWith(temp);
    const argv = ['inspect', '--config', `oci:${temp.dataDir}:${NAME}`];
    const config: unknown = JSON.parse(execFileSync('skopeo', argv, { encoding: 'utf8' }));
    assert.deepEqual((config as { config: unknown }).config, { Cmd: ['new'] });
    const copy = join(temp.parent, 'copy');
    execFileSync('skopeo', [
      ...['copy', '--quiet', '--insecure-policy'],
      ...[`oci:${temp.dataDir}:${NAME}`, `dir:${copy}`],
    ]);
  });

  it('read the store as an image layout: umoci', { skip: without('umoci') }, async () => {
    using temp = new TempStore();
    await storeWith(temp);
    const names = execFileSync('umoci', ['list', '--layout', temp.dataDir], { encoding: 'utf8' });
    assert.deepEqual(names.split('\n').filter(Boolean).sort(), ['127.0.0.1:5000/a/b:1', NAME]);
  });

  it('put an image beside ours, and collection keeps it', { skip: without('skopeo') }, async () => {
    using temp = new TempStore();
    await storeWith(temp);
    const source = `oci:${temp.dataDir}:${NAME}`;
    execFileSync('skopeo', [
      ...['copy', '--quiet', '--insecure-policy'],
      ...[source, `oci:${temp.dataDir}:theirs`],
    ]);
    const store = temp.open();
    assert.equal(store.readForeignManifests().length, 1);
    await putImage(store, image('newest'), NAME);
    await collect(store, NOT_IN_USE);
    execFileSync('skopeo', ['inspect', `oci:${temp.dataDir}:theirs`]);
    assert.deepEqual(
      problemsOf(temp.dataDir).filter((problem) => !problem.includes('theirs')),
      [],
    );
  });
});
