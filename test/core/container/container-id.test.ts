import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isContainerId,
  newContainerId,
  parseContainerName,
} from '../../../src/core/container/container-id.ts';
import { engineError } from '../../support/engine-errors.ts';

describe('parseContainerName', () => {
  for (const name of ['a', '0', 'web-1', 'A.b_c-d', 'x'.repeat(128), 'deadbeef']) {
    it(`accepts ${JSON.stringify(name).slice(0, 40)}`, () => {
      assert.equal(parseContainerName(name), name);
    });
  }

  const hostile = [
    '',
    '.',
    '..',
    '../../x',
    'a/b',
    '/a',
    '-a',
    '--root=/x',
    '_a',
    '.lock',
    'a b',
    'a\n',
    'a\0',
    'é',
    'a\u202eb',
    'x'.repeat(129),
    'x'.repeat(4096),
    'a'.repeat(64),
  ];
  for (const name of hostile) {
    it(`refuses ${JSON.stringify(name).slice(0, 40)}`, () => {
      assert.throws(() => parseContainerName(name), engineError('USAGE_INVALID'));
    });
  }
});

describe('newContainerId', () => {
  it('gives 64 hexadecimal digits, never the same', () => {
    const ids = new Set(Array.from({ length: 100 }, newContainerId));
    assert.equal(ids.size, 100);
    for (const id of ids) assert.ok(isContainerId(id), id);
  });
});
