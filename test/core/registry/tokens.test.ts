import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage } from '../../support/image-builder.ts';
import { collect, quickClient } from '../../support/registry-clients.ts';
import { type Fault, TestRegistry } from '../../support/test-registry.ts';

const IMAGE = buildImage({
  layers: [Buffer.from('one'), Buffer.from('two'), Buffer.from('three')],
});

describe('anonymous bearer tokens', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start({ auth: 'token' });
    registry.addImage('a/b', 'latest', IMAGE);
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  async function fetchManifest(): Promise<unknown> {
    await using client = quickClient(registry.host).client;
    return await client.fetchManifest('a/b', 'latest');
  }

  /** Answers every request but those for tokens with this challenge. */
  function challengeWith(challenge: string): void {
    registry.fault = ({ path }) =>
      path.startsWith('/v2/')
        ? { status: 401, headers: { 'www-authenticate': challenge } }
        : undefined;
  }

  it('are fetched once for all requests of a repository, also for those at the same time', async () => {
    await using client = quickClient(registry.host).client;
    const blobs = IMAGE.layers.map(({ descriptor }) =>
      collect(client.fetchBlob('a/b', descriptor)),
    );
    assert.deepEqual(
      await Promise.all(blobs),
      IMAGE.layers.map(({ bytes }) => bytes),
    );
    await client.fetchManifest('a/b', 'latest');
    const tokens = registry.requestsFor('/token');
    assert.equal(tokens.length, 1);
    assert.equal(tokens[0]?.path, '/token?service=test&scope=repository%3Aa%2Fb%3Apull');
  });

  it('are fetched anew when the registry forgot them', async () => {
    await using client = quickClient(registry.host).client;
    await client.fetchManifest('a/b', 'latest');
    registry.expireTokens();
    await client.fetchManifest('a/b', 'latest');
    assert.equal(registry.requestsFor('/token').length, 2);
  });

  it('are not fetched again when they are rejected', async () => {
    registry.fault = ({ path }) =>
      path === '/token?service=test&scope=repository%3Aa%2Fb%3Apull'
        ? { body: '{"token":"wrong"}' }
        : undefined;
    await assert.rejects(
      fetchManifest(),
      engineError('REGISTRY_UNAUTHORIZED', /credentials rejected by 127\.0\.0\.1/),
    );
    assert.equal(registry.requestsFor('/token').length, 1);
    assert.equal(registry.requestsFor('/v2/').length, 2);
  });

  it('take service and scope as data, whatever is in them', async () => {
    const hostile = 'x&y=1#z';
    challengeWith(
      `Bearer realm="${registry.origin}/token?a=b",service="${hostile}",scope="${hostile}"`,
    );
    await assert.rejects(fetchManifest(), engineError('REGISTRY_UNAUTHORIZED'));
    const url = new URL(registry.requestsFor('/token')[0]?.path ?? '', registry.origin);
    assert.deepEqual(
      [...url.searchParams],
      [
        ['a', 'b'],
        ['service', hostile],
        ['scope', 'repository:a/b:pull'],
        ['scope', hostile],
      ],
    );
  });

  const challenges: [name: string, challenge: string, code: ErrorCode, message: RegExp][] = [
    ['no realm', 'Bearer service="s"', 'REGISTRY_RESPONSE_INVALID', /no realm/],
    ['a realm that is no URL', 'Bearer realm="token"', 'REGISTRY_RESPONSE_INVALID', /not a URL/],
    [
      'a realm that is a file',
      'Bearer realm="file:///etc/passwd"',
      'REGISTRY_RESPONSE_INVALID',
      /neither https nor http/,
    ],
    [
      'a realm with user information',
      'Bearer realm="https://u:pw@example.com/token"',
      'REGISTRY_RESPONSE_INVALID',
      /user information/,
    ],
    [
      'a realm with a fragment',
      'Bearer realm="https://example.com/token#x"',
      'REGISTRY_RESPONSE_INVALID',
      /fragment/,
    ],
    [
      'a realm at the metadata service',
      'Bearer realm="http://169.254.169.254/token"',
      'REGISTRY_RESPONSE_INVALID',
      /plain http/,
    ],
    [
      'an unterminated quote',
      'Bearer realm="https://example.com',
      'REGISTRY_RESPONSE_INVALID',
      /cannot be read/,
    ],
    [
      '200 challenges',
      Array(200).fill('Basic realm="x"').join(','),
      'REGISTRY_RESPONSE_INVALID',
      /cannot be read/,
    ],
    [
      '10 kB',
      `Bearer realm="${'x'.repeat(10_000)}"`,
      'REGISTRY_RESPONSE_INVALID',
      /cannot be read/,
    ],
    [
      '1 MB',
      `Bearer realm="${'x'.repeat(1_000_000)}"`,
      'REGISTRY_RESPONSE_INVALID',
      /headers that are too large/,
    ],
    ['only Basic', 'Basic realm="x"', 'REGISTRY_UNAUTHORIZED', /asks for credentials/],
  ];
  for (const [name, challenge, code, message] of challenges) {
    it(`are not asked for after a challenge with ${name}`, async () => {
      challengeWith(challenge);
      await assert.rejects(fetchManifest(), engineError(code, message));
      assert.equal(registry.requestsFor('/token').length, 0);
      assert.equal(registry.requestsFor('/v2/').length, 1);
    });
  }

  it('are not asked for after a 401 without a challenge', async () => {
    registry.fault = ({ path }) => (path.startsWith('/v2/') ? { status: 401 } : undefined);
    await assert.rejects(fetchManifest(), engineError('REGISTRY_UNAUTHORIZED', /status 401/));
  });

  const answers: [name: string, fault: Fault, code: ErrorCode, message: RegExp][] = [
    ['a redirect', { redirect: 'http://127.0.0.1:1/' }, 'REGISTRY_RESPONSE_INVALID', /status 307/],
    ['403', { status: 403 }, 'REGISTRY_UNAUTHORIZED', /get a token.*status 403/],
    ['an endless body', { endless: true }, 'REGISTRY_RESPONSE_INVALID', /larger than 1048576/],
    ['no JSON', { body: '<html>' }, 'REGISTRY_RESPONSE_INVALID', /not a JSON object/],
    ['null', { body: 'null' }, 'REGISTRY_RESPONSE_INVALID', /not a JSON object/],
    ['no token', { body: '{}' }, 'REGISTRY_RESPONSE_INVALID', /has no token/],
    [
      'a token that is a number',
      { body: '{"token":5}' },
      'REGISTRY_RESPONSE_INVALID',
      /has no token/,
    ],
    [
      'a token with a line break',
      { body: '{"token":"a\\r\\nX-Evil: 1"}' },
      'REGISTRY_RESPONSE_INVALID',
      /no header can carry/,
    ],
    [
      'an empty token',
      { body: '{"token":""}' },
      'REGISTRY_RESPONSE_INVALID',
      /no header can carry/,
    ],
    [
      'a token of 100 kB',
      { body: JSON.stringify({ token: 't'.repeat(100_000) }) },
      'REGISTRY_RESPONSE_INVALID',
      /no header can carry/,
    ],
  ];
  for (const [name, fault, code, message] of answers) {
    it(`are refused when the answer is ${name}`, async () => {
      registry.fault = ({ path }) => (path.startsWith('/token') ? fault : undefined);
      await assert.rejects(fetchManifest(), engineError(code, message));
      assert.equal(registry.requestsFor('/v2/').length, 1);
    });
  }

  it('are asked for again when their server is busy for a moment', async () => {
    registry.fault = ({ path }, count) =>
      path.startsWith('/token') && count === 1 ? { status: 503 } : undefined;
    await fetchManifest();
    assert.equal(registry.requestsFor('/token').length, 2);
  });

  it('may be called access_token', async () => {
    await using client = quickClient(registry.host).client;
    await client.fetchManifest('a/b', 'latest');
    registry.fault = ({ path }) =>
      path.startsWith('/token') ? { body: '{"access_token":"token-1"}' } : undefined;
    await fetchManifest();
  });

  it('do not keep one who cancels waiting, nor cancel the others', async () => {
    registry.fault = ({ path }) => (path.startsWith('/token') ? { delayMs: 300 } : undefined);
    await using client = quickClient(registry.host).client;
    const controller = new AbortController();
    const cancelled = client.fetchManifest('a/b', 'latest', { signal: controller.signal });
    const other = client.fetchManifest('a/b', 'latest');
    while (registry.requestsFor('/token').length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    controller.abort();
    await assert.rejects(cancelled, engineError('CANCELLED'));
    assert.equal(registry.requestsFor('/token')[0]?.status, 0, 'the token came too early');
    await other;
    assert.equal(registry.requestsFor('/token').length, 1);
  });
});
