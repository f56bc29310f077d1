import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseContainersPolicy } from '../../../src/core/trust/containers-policy.ts';
import { encodeOwnPolicy, parseOwnPolicy } from '../../../src/core/trust/own-policy.ts';
import { engineError } from '../../support/engine-errors.ts';

const FILE = '/etc/containers/policy.json';
const ACCEPT = { type: 'insecureAcceptAnything' };
const SIGNED = { type: 'sigstoreSigned', keyPath: '/k.pub' };

function read(document: unknown) {
  return parseContainersPolicy(JSON.stringify(document), FILE);
}

function docker(...requirements: readonly object[]) {
  return { default: [ACCEPT], transports: { docker: { 'quay.io': requirements } } };
}

describe('containers-policy.json', () => {
  it('gives the scopes of the transport docker, whose default wins over the global one', () => {
    const policy = read({
      default: [{ type: 'reject' }],
      transports: {
        docker: { '': [ACCEPT], 'quay.io/a': [SIGNED, { type: 'reject' }] },
        atomic: { 'quay.io': [SIGNED] },
        oci: { '': [{ type: 'reject' }] },
      },
    });
    assert.deepEqual(policy.fallback, [{ type: 'insecure' }]);
    assert.deepEqual([...policy.scopes.keys()], ['quay.io/a']);
    assert.deepEqual(policy.scopes.get('quay.io/a'), [
      {
        type: 'cosign',
        keys: [{ kind: 'file', path: '/k.pub' }],
        identity: { type: 'matchRepoDigestOrExact' },
      },
      { type: 'reject' },
    ]);
    assert.deepEqual(read({ default: [{ type: 'reject' }] }).fallback, [{ type: 'reject' }]);
  });

  const identities = [
    { type: 'matchExact' },
    { type: 'matchRepository' },
    { type: 'matchRepoDigestOrExact' },
    { type: 'exactReference', dockerReference: 'quay.io/x:1' },
    { type: 'exactRepository', dockerRepository: 'quay.io/x' },
    { type: 'remapIdentity', prefix: 'a.io', signedPrefix: 'b.io' },
  ];
  for (const signedIdentity of identities) {
    it(`knows the identity ${signedIdentity.type}`, () => {
      const found = read(docker({ ...SIGNED, signedIdentity })).scopes.get('quay.io')?.[0];
      assert.ok(found?.type === 'cosign');
      assert.deepEqual(found.identity, signedIdentity);
    });
  }

  const unsupported: readonly (readonly [string, object, RegExp])[] = [
    ['GPG', { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }, /GPG/],
    ['a base layer', { type: 'signedBaseLayer', baseLayerIdentity: {} }, /base layer/],
    ['fulcio', { type: 'sigstoreSigned', fulcio: {}, rekorPublicKeyPath: '/r' }, /certificate/],
    ['pki', { type: 'sigstoreSigned', pki: {} }, /certificate/],
    ['a log', { ...SIGNED, rekorPublicKeyPath: '/r' }, /a log/],
  ];
  for (const [name, requirement, why] of unsupported) {
    it(`says of ${name} that it cannot be verified, for that scope alone`, () => {
      const policy = read(docker(requirement));
      const found = policy.scopes.get('quay.io')?.[0];
      assert.ok(found?.type === 'unsupported');
      assert.match(found.why, why);
      assert.deepEqual(policy.fallback, [{ type: 'insecure' }]);
    });
  }

  const bad: readonly (readonly [string, unknown])[] = [
    ['no object', []],
    ['no default', {}],
    ['an empty default', { default: [] }],
    ['a default that is no list', { default: ACCEPT }],
    ['an unknown field', { default: [ACCEPT], extra: 1 }],
    ['an unknown type', docker({ type: 'acceptAnything' })],
    ['a requirement without a type', docker({})],
    ['an unknown field of a requirement', docker({ ...ACCEPT, keyPath: '/k' })],
    ['an unknown field of a signature', docker({ ...SIGNED, keypath: '/k' })],
    ['no key', docker({ type: 'sigstoreSigned' })],
    ['two kinds of keys', docker({ ...SIGNED, keyData: 'AAAA' })],
    ['an empty list of keys', docker({ type: 'sigstoreSigned', keyPaths: [] })],
    ['an empty path', docker({ type: 'sigstoreSigned', keyPath: '' })],
    ['an unknown identity', docker({ ...SIGNED, signedIdentity: { type: 'matchAny' } })],
    [
      'an identity without its field',
      docker({ ...SIGNED, signedIdentity: { type: 'exactReference' } }),
    ],
    [
      'an unknown field of an identity',
      docker({ ...SIGNED, signedIdentity: { type: 'matchExact', x: 1 } }),
    ],
    ['a mistake in another transport', { default: [ACCEPT], transports: { oci: { '': [{}] } } }],
    ['an empty scope', docker()],
  ];
  for (const [name, document] of bad) {
    it(`is refused as a whole for ${name}`, () => {
      assert.throws(() => read(document), engineError('CONFIG_INVALID', /policy\.json/));
    });
  }

  for (const text of [
    '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}',
    '{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}',
    '{"default":[{"type":"reject","t\\u0079pe":"insecureAcceptAnything"}]}',
    '{"default":',
  ]) {
    it(`is refused for ${text}`, () => {
      assert.throws(() => parseContainersPolicy(text, FILE), engineError('CONFIG_INVALID'));
    });
  }
});

describe('our own policy', () => {
  const keys = [{ label: 'a.pub', pem: 'PEM' }];
  it('is read as it was written', () => {
    for (const policy of [
      { fallback: undefined, prefixes: new Map() },
      {
        fallback: { type: 'reject' } as const,
        prefixes: new Map([
          ['quay.io', { type: 'insecure' } as const],
          ['quay.io/a', { type: 'cosign', keys, signedAs: 'up.io/a' } as const],
          ['__proto__', { type: 'reject' } as const],
        ]),
      },
    ]) {
      assert.deepEqual(parseOwnPolicy(encodeOwnPolicy(policy), FILE), policy);
    }
  });

  const bad: readonly (readonly [string, object])[] = [
    ['no version', { prefixes: {} }],
    ['a newer version', { version: 2, prefixes: {} }],
    ['an unknown field', { version: 1, prefix: {} }],
    ['an unknown type', { version: 1, prefixes: { a: { type: 'signed' } } }],
    ['cosign without keys', { version: 1, prefixes: { a: { type: 'cosign' } } }],
    ['cosign with an empty list', { version: 1, prefixes: { a: { type: 'cosign', keys: [] } } }],
    ['keys of a rule that takes none', { version: 1, default: { type: 'reject', keys } }],
    [
      'an unknown field of a key',
      { version: 1, default: { type: 'cosign', keys: [{ ...keys[0], x: 1 }] } },
    ],
    ['a rule that is no object', { version: 1, prefixes: { a: 'reject' } }],
  ];
  for (const [name, document] of bad) {
    it(`is refused for ${name}`, () => {
      assert.throws(
        () => parseOwnPolicy(JSON.stringify(document), FILE),
        engineError('CONFIG_INVALID'),
      );
    });
  }
});
