import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseReference } from '../../../src/core/oci/reference.ts';
import { parsePrefix, scopesOf } from '../../../src/core/trust/policy-scope.ts';
import {
  isIdentityAccepted,
  type SignedIdentity,
} from '../../../src/core/trust/signed-identity.ts';
import { ruleFor, type TrustPolicy } from '../../../src/core/trust/trust-policy.ts';
import { engineError } from '../../support/engine-errors.ts';

const HEX = 'a'.repeat(64);

describe('scopesOf', () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    [
      'busybox',
      [
        'docker.io/library/busybox:latest',
        'docker.io/library/busybox',
        'docker.io/library',
        'docker.io',
        '*.io',
      ],
    ],
    [
      `r.example.com:5000/a/b@sha256:${HEX}`,
      [
        `r.example.com:5000/a/b@sha256:${HEX}`,
        'r.example.com:5000/a/b',
        'r.example.com:5000/a',
        'r.example.com:5000',
        '*.example.com',
        '*.com',
      ],
    ],
    ['localhost/x:1', ['localhost/x:1', 'localhost/x', 'localhost']],
  ];
  for (const [input, expected] of rows) {
    it(`of ${input.slice(0, 40)}`, () => {
      assert.deepEqual(scopesOf(parseReference(input)), expected);
    });
  }
});

describe('ruleFor', () => {
  const policy = (scopes: readonly string[], hasDefault: boolean, file = '/own'): TrustPolicy => ({
    file,
    scopes: new Map(scopes.map((scope) => [scope, [{ type: 'reject' }]])),
    fallback: hasDefault ? [{ type: 'insecure' }] : undefined,
  });
  const rows: readonly (readonly [string, readonly TrustPolicy[], string | undefined])[] = [
    [
      'the longest prefix',
      [policy(['quay.io', 'quay.io/a/b', 'quay.io/a'], true)],
      '/own quay.io/a/b',
    ],
    ['a part of a name is no prefix', [policy(['quay.io/a/b'.slice(0, -1)], true)], '/own default'],
    ['a wildcard after all else', [policy(['*.io', 'quay.io'], true)], '/own quay.io'],
    ['a wildcard before the default', [policy(['*.io'], true)], '/own *.io'],
    [
      'another file where ours is silent',
      [policy([], false), policy([], true, '/b')],
      '/b default',
    ],
    [
      'our default before another file',
      [policy([], true), policy(['quay.io'], true, '/b')],
      '/own default',
    ],
    ['nothing', [policy(['docker.io'], false)], undefined],
  ];
  for (const [name, policies, expected] of rows) {
    it(name, () => {
      const rule = ruleFor(policies, parseReference('quay.io/a/b:1'));
      assert.equal(rule && `${rule.file} ${rule.scope ?? 'default'}`, expected);
    });
  }
});

describe('parsePrefix', () => {
  const good: readonly (readonly [string, string])[] = [
    ['quay.io', 'quay.io'],
    ['QUAY.io/team', 'quay.io/team'],
    ['quay.io/team/', 'quay.io/team'],
    ['localhost:5000/a/b', 'localhost:5000/a/b'],
    ['localhost', 'localhost'],
    ['busybox', 'docker.io/library/busybox'],
    ['team/app', 'docker.io/team/app'],
    ['docker.io', 'docker.io'],
    ['index.docker.io/library/x', 'docker.io/library/x'],
    ['docker.io/team/', 'docker.io/team'],
    ['*.example.com', '*.example.com'],
    ['[::1]:5000', '[::1]:5000'],
  ];
  for (const [input, expected] of good) {
    it(`reads ${input}`, () => assert.equal(parsePrefix(input), expected));
  }
  const bad: readonly (readonly [string, RegExp])[] = [
    ['docker.io/busybox', /may mean one repository/],
    ['busybox:1.36', /has a tag/],
    ['quay.io/app:v1', /is not a registry/],
    [`quay.io/app@sha256:${HEX}`, /is not a registry/],
    ['quay.io/App', /is not a registry/],
    ['', /is not a registry/],
    ['https://quay.io', /is not a registry/],
    ['user:secret@quay.io/x', /is not a registry/],
    ['*', /is not a registry/],
    ['*.*.com', /is not a registry/],
    ['quay.io//x', /is not a registry/],
  ];
  for (const [input, message] of bad) {
    it(`refuses ${JSON.stringify(input)}`, () => {
      assert.throws(() => parsePrefix(input), engineError('USAGE_INVALID', message));
    });
  }
});

describe('isIdentityAccepted', () => {
  const tagged = 'quay.io/a/b:1';
  const pinned = `quay.io/a/b@sha256:${HEX}`;
  const remap = { type: 'remapIdentity', prefix: 'quay.io/a', signedPrefix: 'up.io/z' } as const;
  const rows: readonly (readonly [SignedIdentity, string, string | undefined, boolean])[] = [
    [{ type: 'ownRepository' }, tagged, 'quay.io/a/b', true],
    [{ type: 'ownRepository' }, tagged, 'quay.io/a/b:2', true],
    [{ type: 'ownRepository' }, tagged, 'quay.io/a/bb', false],
    [{ type: 'ownRepository' }, tagged, undefined, true],
    [{ type: 'matchRepository' }, tagged, 'quay.io/a/b', true],
    [{ type: 'matchRepository' }, tagged, 'quay.io/a', false],
    [{ type: 'matchRepository' }, tagged, undefined, false],
    [{ type: 'matchExact' }, tagged, 'quay.io/a/b:1', true],
    [{ type: 'matchExact' }, tagged, 'quay.io/a/b:2', false],
    [{ type: 'matchExact' }, tagged, 'quay.io/a/b', false],
    [{ type: 'matchExact' }, 'quay.io/a/b', 'quay.io/a/b', false],
    [{ type: 'matchExact' }, pinned, 'quay.io/a/b:1', false],
    [{ type: 'matchRepoDigestOrExact' }, tagged, 'quay.io/a/b:1', true],
    [{ type: 'matchRepoDigestOrExact' }, tagged, 'quay.io/a/b:2', false],
    [{ type: 'matchRepoDigestOrExact' }, tagged, 'quay.io/a/b', false],
    [{ type: 'matchRepoDigestOrExact' }, pinned, 'quay.io/a/b:1', true],
    [{ type: 'matchRepoDigestOrExact' }, pinned, 'quay.io/a/c:1', false],
    [{ type: 'exactReference', dockerReference: 'up.io/x:1' }, tagged, 'up.io/x:1', true],
    [{ type: 'exactReference', dockerReference: 'up.io/x:1' }, tagged, 'up.io/x:2', false],
    [{ type: 'exactReference', dockerReference: 'up.io/x' }, tagged, 'up.io/x', false],
    [{ type: 'exactRepository', dockerRepository: 'up.io/x' }, tagged, 'up.io/x:2', true],
    [{ type: 'exactRepository', dockerRepository: 'up.io/x' }, tagged, tagged, false],
    [remap, tagged, 'up.io/z/b:1', true],
    [remap, tagged, 'quay.io/a/b:1', false],
    [remap, 'quay.io/ab/c:1', 'quay.io/ab/c:1', true],
    [remap, pinned, 'up.io/z/b:9', true],
    [{ type: 'matchRepository' }, 'busybox', 'index.docker.io/library/busybox', true],
    [{ type: 'matchRepository' }, tagged, 'quay.io/A B', false],
    [{ type: 'ownRepository' }, tagged, '', false],
  ];
  for (const [identity, used, signed, expected] of rows) {
    const verb = expected ? 'takes' : 'refuses';
    it(`${identity.type} ${verb} ${signed ?? 'no name'} for ${used.slice(0, 20)}`, () => {
      assert.equal(isIdentityAccepted(identity, parseReference(used), signed), expected);
    });
  }
});
