import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editDistance, nearest } from '../../src/cli/suggest.ts';

describe('editDistance', () => {
  const rows: readonly (readonly [string, string, number])[] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['run', 'run', 0],
    ['rn', 'run', 1],
    ['rnu', 'run', 1],
    ['images', 'image', 1],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, distance] of rows) {
    it(`is ${distance} from "${a}" to "${b}", both ways`, () => {
      assert.equal(editDistance(a, b), distance);
      assert.equal(editDistance(b, a), distance);
    });
  }
});

describe('nearest', () => {
  const words = ['run', 'fetch', 'image list', 'image rm', 'images'];

  it('finds a word with a slip', () => {
    assert.equal(nearest('fecth', words), 'fetch');
    assert.equal(nearest('image lst', words), 'image list');
  });

  it('finds nothing for something else', () => {
    assert.equal(nearest('kubernetes', words), undefined);
  });
});
