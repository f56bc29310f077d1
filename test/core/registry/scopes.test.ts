import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergeScopes, repositoryOf } from '../../../src/core/registry/scope.ts';

describe('scopes', () => {
  const rows: [name: string, wanted: string, challenged: string, merged: string][] = [
    ['that are equal are one', 'repository:a/b:pull', 'repository:a/b:pull', 'repository:a/b:pull'],
    [
      'of one repository have all actions',
      'repository:a:pull,push',
      'repository:a:pull,delete',
      'repository:a:pull,push,delete',
    ],
    [
      'of a mount stay two',
      'repository:a:pull,push repository:b:pull',
      'repository:a:push',
      'repository:a:pull,push repository:b:pull',
    ],
    ['of none are what is asked for', '', 'registry:catalog:*', 'registry:catalog:*'],
    ['of neither are none', '', '', ''],
    [
      'that cannot be read stay as they are',
      'repository:a:pull',
      'x&y=1#z',
      'repository:a:pull x&y=1#z',
    ],
  ];
  for (const [name, wanted, challenged, merged] of rows) {
    it(name, () => assert.equal(mergeScopes(wanted, challenged), merged));
  }

  const repositories: [scope: string, repository: string | undefined][] = [
    ['repository:a/b:pull', 'a/b'],
    ['repository:a:pull,push repository:b:pull', 'a'],
    ['registry:catalog:*', undefined],
    ['', undefined],
  ];
  for (const [scope, repository] of repositories) {
    it(`are for ${repository ?? 'no repository'}: "${scope}"`, () => {
      assert.equal(repositoryOf(scope), repository);
    });
  }
});
