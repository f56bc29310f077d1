import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { removeImages } from '../../../src/core/operations/remove-images.ts';
import { tagImage } from '../../../src/core/operations/tag-image.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const one = buildImage({ layers: [tarOf([{ name: 'one', content: '1' }])] });
const two = buildImage({ layers: [tarOf([{ name: 'two', content: '2' }])] });

describe('tagging an image', () => {
  let registry: TestRegistry;
  let temp: TempEngine;
  let reference: string;

  beforeEach(async () => {
    registry = await TestRegistry.start();
    temp = tempEngine();
    reference = registry.addImage('one', 'v1', one);
    for (const name of [reference, registry.addImage('two', 'v1', two)]) {
      await fetchImage(temp.engine, name, { pullPolicy: 'update' });
    }
  });
  afterEach(async () => {
    const results = await verifyImages(temp.engine, []);
    temp[Symbol.dispose]();
    await registry[Symbol.asyncDispose]();
    assert.deepEqual(
      results.flatMap(({ problems }) => problems),
      [],
    );
  });

  const named = (): (readonly [string | undefined, string])[] =>
    temp.engine.store.readReferences().map(({ reference: name, imageId }) => [name, imageId]);

  const sources: [name: string, source: () => string][] = [
    ['a name', () => reference],
    ['an id', () => one.imageId],
    ['an id as it is printed', () => one.imageId.replace(':', '-')],
    ['the beginning of an id', () => one.imageId.slice(7, 19)],
    ['the digest of its manifest', () => `${registry.host}/one@${one.manifest.descriptor.digest}`],
  ];
  for (const [name, source] of sources) {
    it(`finds the image by ${name}`, async () => {
      const tagged = await tagImage(temp.engine, source(), ['new']);
      assert.deepEqual(tagged, {
        imageId: one.imageId,
        references: ['docker.io/library/new:latest'],
      });
      assert.deepEqual(named().at(-1), ['docker.io/library/new:latest', one.imageId]);
      assert.equal(named().length, 3);
    });
  }

  it('gives several names at once, and the same one again without a change', async () => {
    for (let time = 0; time < 2; time += 1) {
      await tagImage(temp.engine, reference, ['a:1', 'reg.lan:5000/b', 'docker.io/library/a:1']);
      assert.deepEqual(
        named()
          .flatMap(([name, imageId]) => (imageId === one.imageId ? name : []))
          .sort(),
        ['docker.io/library/a:1', reference, 'reg.lan:5000/b:latest'].sort(),
      );
    }
  });

  it('moves a name, and leaves the image that had it without one', async () => {
    await tagImage(temp.engine, `${registry.host}/two:v1`, [reference]);
    assert.deepEqual(
      named().sort(),
      [
        [reference, two.imageId],
        [`${registry.host}/two:v1`, two.imageId],
        [undefined, one.imageId],
      ].sort(),
    );
  });

  it('names an image that has no name, which is then kept by removals of others', async () => {
    await tagImage(temp.engine, two.imageId, [reference]);
    await tagImage(temp.engine, one.imageId, ['kept']);
    assert.equal(named().filter(([name]) => name === undefined).length, 0);
    await removeImages(temp.engine, [two.imageId]);
    assert.deepEqual(named(), [['docker.io/library/kept:latest', one.imageId]]);
  });

  const refused: [name: string, source: () => string, targets: string[], code: ErrorCode][] = [
    ['an image that is not there', () => 'nothing', ['a'], 'IMAGE_NOT_FOUND'],
    ['a name in upper case', () => reference, ['a', 'A'], 'REFERENCE_INVALID'],
    ['a digest', () => reference, ['a', `b@${one.imageId}`], 'REFERENCE_INVALID'],
    ['an id as a name', () => reference, [one.imageId], 'REFERENCE_INVALID'],
    ['an empty name', () => reference, [''], 'REFERENCE_INVALID'],
  ];
  for (const [name, source, targets, code] of refused) {
    it(`refuses ${name}, and gives none of the names`, async () => {
      await assert.rejects(tagImage(temp.engine, source(), targets), engineError(code));
      assert.equal(named().length, 2);
    });
  }

  it('loses no name when several are given at the same time', async () => {
    const names = Array.from({ length: 12 }, (_, at) => `n:${at}`);
    await Promise.all(names.map((name) => tagImage(temp.engine, reference, [name])));
    assert.equal(named().length, 14);
  });
});
