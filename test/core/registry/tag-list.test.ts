import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { engineError } from '../../support/engine-errors.ts';
import { quickClient } from '../../support/registry-clients.ts';
import { type FaultHook, TestRegistry } from '../../support/test-registry.ts';

describe('the tags of a repository', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start();
    for (let at = 0; at < 25; at += 1) registry.uploads.addTag('a/b', `v${24 - at}`);
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  async function list(repository = 'a/b'): Promise<readonly string[]> {
    await using client = quickClient(registry.host).client;
    return await client.listTags(repository);
  }

  const all = Array.from({ length: 25 }, (_, at) => `v${at}`).sort();

  it('are listed in order', async () => {
    assert.deepEqual(await list(), all);
    assert.equal(registry.requests.length, 1);
  });

  it('are read page by page', async () => {
    registry.uploads.behaviour = { tagsPerPage: 10 };
    assert.deepEqual(await list(), all);
    assert.equal(registry.requests.length, 3);
  });

  it('are asked for with the token of the repository', async () => {
    await using secured = await TestRegistry.start({ auth: 'token' });
    secured.uploads.addTag('a/b', 'v1');
    await using client = quickClient(secured.host).client;
    assert.deepEqual(await client.listTags('a/b'), ['v1']);
    assert.match(secured.requestsFor('/token')[0]?.path ?? '', /a%2Fb%3Apull/);
  });

  const answers: [name: string, body: string, tags: string[]][] = [
    ['none', '{"name":"a/b","tags":null}', []],
    ['no list', '{"name":"a/b"}', []],
    [
      'what is no tag among them',
      '{"tags":["v1","../x","\\u001b[2J",5,null,"","v2"]}',
      ['v1', 'v2'],
    ],
    ['one twice', '{"tags":["v1","v1"]}', ['v1']],
  ];
  for (const [name, body, tags] of answers) {
    it(`are ${JSON.stringify(tags)} when the registry sends ${name}`, async () => {
      registry.fault = () => ({ body });
      assert.deepEqual(await list(), tags);
    });
  }

  const link =
    (target: string): FaultHook =>
    () => ({
      body: '{"tags":["v1"]}',
      headers: { link: `<${target}>; rel="next"` },
    });
  const hostile: [name: string, fault: FaultHook, code: ErrorCode, message: RegExp][] = [
    ['no JSON', () => ({ body: '<html>' }), 'REGISTRY_RESPONSE_INVALID', /no JSON object/],
    ['a list', () => ({ body: '[]' }), 'REGISTRY_RESPONSE_INVALID', /no JSON object/],
    [
      'tags that are a text',
      () => ({ body: '{"tags":"v1"}' }),
      'REGISTRY_RESPONSE_INVALID',
      /JSON/,
    ],
    [
      'an endless page',
      () => ({ endless: true }),
      'REGISTRY_RESPONSE_INVALID',
      /more than 4194304/,
    ],
    [
      'the same next page again and again',
      link('/v2/a/b/tags/list?last=v1'),
      'REGISTRY_RESPONSE_INVALID',
      /again and again/,
    ],
    [
      'a next page at another host',
      link('https://example.com/v2/a/b/tags/list'),
      'REGISTRY_RESPONSE_INVALID',
      /another origin, "https:\/\/example.com"/,
    ],
    [
      'a next page with user information',
      link('http://u:p@127.0.0.1/'),
      'REGISTRY_RESPONSE_INVALID',
      /another origin/,
    ],
    ['a next page that is no URL', link('http://['), 'REGISTRY_RESPONSE_INVALID', /no URL/],
  ];
  for (const [name, fault, code, message] of hostile) {
    it(`are refused with ${name}`, async () => {
      registry.fault = fault;
      await assert.rejects(list(), engineError(code, message));
      assert.ok(registry.requests.length < 6, `${registry.requests.length} requests`);
    });
  }

  it('are never more than a thousand pages', async () => {
    registry.fault = (_request, count) => ({
      body: JSON.stringify({ tags: [`t${registry.requests.length}-${count}`] }),
      headers: { link: `</v2/a/b/tags/list?n=${registry.requests.length}>; rel=next` },
    });
    await assert.rejects(list(), engineError('REGISTRY_RESPONSE_INVALID', /again and again/));
    assert.ok(registry.requests.length <= 1002);
  });

  it('of a repository that is not there are an error in the words of the registry', async () => {
    await assert.rejects(list('no/thing'), engineError('REGISTRY_NOT_FOUND', /NAME_UNKNOWN/));
  });
});
