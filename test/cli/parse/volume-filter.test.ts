import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseListFilters, parsePruneFilters } from '../../../src/cli/parse/volume-filter.ts';
import { EngineError } from '../../../src/core/errors.ts';

const VOLUMES = [
  { name: 'used', labels: { a: '1' }, usedBy: ['c'] },
  { name: 'free', labels: { a: '2', b: '' }, usedBy: [] },
];

describe('filters of volumes', () => {
  const rows: [filters: string[], names: string[]][] = [
    [[], ['used', 'free']],
    [['dangling=true'], ['free']],
    [['dangling=0'], ['used']],
    [['name=re'], ['free']],
    [
      ['name=us', 'name=fr'],
      ['used', 'free'],
    ],
    [['name=us', 'dangling=true'], []],
    [['label=a'], ['used', 'free']],
    [['label=a=1'], ['used']],
    [['label=a', 'label=b'], ['free']],
    [['label=toString'], []],
    [['driver=local'], ['used', 'free']],
    [['driver=nfs'], []],
  ];
  for (const [filters, names] of rows) {
    it(`list ${names.join(' and ') || 'nothing'} for ${filters.join(' ') || 'none'}`, () => {
      const found = VOLUMES.filter(parseListFilters(filters));
      assert.deepEqual(
        found.map(({ name }) => name),
        names,
      );
    });
  }

  const prunes: [filters: string[], all: boolean, names: string[]][] = [
    [[], false, ['used', 'free']],
    [['label=a=1'], false, ['used']],
    [['label!=b'], false, ['used']],
    [['all=1', 'label!=a=1'], true, ['free']],
  ];
  for (const [filters, all, names] of prunes) {
    it(`prune ${names.join(' and ')} for ${filters.join(' ') || 'none'}`, () => {
      const parsed = parsePruneFilters(filters);
      assert.equal(parsed.all, all);
      assert.deepEqual(
        VOLUMES.filter(parsed.isWanted).map(({ name }) => name),
        names,
      );
    });
  }

  for (const text of ['dangling=maybe', 'colour=red', 'name', '=x']) {
    it(`refuse ${text}`, () => {
      for (const parse of [parseListFilters, parsePruneFilters]) {
        assert.throws(
          () => parse([text]),
          (error) => error instanceof EngineError && error.code === 'USAGE_INVALID',
        );
      }
    });
  }
});
