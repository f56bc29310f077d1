import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { createRetryBudget } from '../../../src/core/registry/retry.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage } from '../../support/image-builder.ts';
import { quickClient } from '../../support/registry-clients.ts';
import { type Fault, TestRegistry } from '../../support/test-registry.ts';

const IMAGE = buildImage({ layers: [Buffer.from('layer')] });

describe('a request that fails', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start();
    registry.addImage('a/b', 'latest', IMAGE);
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  /** Fails the first `times` requests. */
  function failFirst(times: number, fault: Fault): void {
    registry.fault = (_request, count) => (count <= times ? fault : undefined);
  }

  async function fetchManifest(
    limits: Parameters<typeof quickClient>[1] = {},
  ): Promise<ReturnType<typeof quickClient>['events']> {
    const { client, events } = quickClient(registry.host, limits);
    await using _ = client;
    const { bytes } = await client.fetchManifest('a/b', 'latest');
    assert.deepEqual(bytes, IMAGE.manifest.bytes);
    return events;
  }

  const passing: [name: string, fault: Fault][] = [
    ...[408, 429, 500, 502, 503, 504].map((status): [string, Fault] => [
      `status ${status}`,
      { status },
    ]),
    ['a reset before the answer', { reset: true }],
    ['a cut in the body', { cutAfterBytes: 10 }],
    [
      '503 with a date in the past',
      { status: 503, headers: { 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' } },
    ],
  ];
  for (const [name, fault] of passing) {
    it(`is sent again after ${name}, and says so`, async () => {
      failFirst(1, fault);
      const events = await fetchManifest();
      assert.equal(registry.requests.length, 2);
      const [event] = events;
      assert.ok(event?.type === 'retrying');
      assert.deepEqual([event.host, event.attempt, event.attempts], [registry.host, 2, 3]);
    });
  }

  it('waits as long as Retry-After says', async () => {
    failFirst(1, { status: 429, headers: { 'retry-after': '1' } });
    const started = performance.now();
    const [event] = await fetchManifest();
    assert.ok(event?.type === 'retrying');
    assert.ok(event.delayMs >= 1000 && event.delayMs <= 1100, `waited ${event.delayMs} ms`);
    assert.ok(performance.now() - started >= 990);
  });

  it('is given up after three attempts, with status and excerpt', async () => {
    failFirst(99, { status: 503, body: 'the \x1b[31mmoon\x07 is down' });
    await assert.rejects(
      fetchManifest(),
      engineError(
        'REGISTRY_UNAVAILABLE',
        /status 503.*registry says.*\\x1b\[31mmoon\\x07.*after 3 attempts/,
      ),
    );
    assert.equal(registry.requests.length, 3);
  });

  for (const retryAfter of [
    '99999999',
    '9999999999999999999',
    new Date(Date.now() + 3_600_000).toUTCString(),
  ]) {
    it(`is given up at once when Retry-After is ${retryAfter.length > 12 ? 'far away' : retryAfter}`, async () => {
      failFirst(99, { status: 429, headers: { 'retry-after': retryAfter } });
      const started = performance.now();
      await assert.rejects(
        fetchManifest(),
        engineError('REGISTRY_UNAVAILABLE', /over the 3 s that dray waits for a request/),
      );
      assert.equal(registry.requests.length, 1);
      assert.ok(performance.now() - started < 2_000);
    });
  }

  it('never waits longer in all than the budget', async () => {
    failFirst(99, { status: 429, headers: { 'retry-after': '1' } });
    await assert.rejects(
      fetchManifest({ attempts: 99, retryBudgetMs: 1_500 }),
      engineError('REGISTRY_UNAVAILABLE', /that dray waits for a request/),
    );
    assert.equal(registry.requests.length, 2);
  });

  it('waits a random part of the backoff even when Retry-After is now', async () => {
    failFirst(3, { status: 503, headers: { 'retry-after': '0' } });
    const events = await fetchManifest({ attempts: 4, retryBaseMs: 40 });
    const delays = events.map((event) => (event.type === 'retrying' ? event.delayMs : -1));
    const isIn = (delay = -1, from = 0, to = 0): boolean => delay >= from && delay <= to;
    const [first, second, third] = delays;
    assert.ok(isIn(first, 20, 40) && isIn(second, 40, 80) && isIn(third, 80, 160), `${delays}`);
  });

  it('is given up when all requests of the fetch together have waited too long', async () => {
    failFirst(99, { status: 503, headers: { 'retry-after': '1' } });
    const retryBudget = createRetryBudget(1_500);
    await using one = quickClient(registry.host, {}, { retryBudget }).client;
    await using two = quickClient(registry.host, {}, { retryBudget }).client;
    const results = await Promise.allSettled([
      one.fetchManifest('a/b', 'latest'),
      two.fetchManifest('a/b', 'latest'),
    ]);
    for (const result of results) {
      assert.ok(result.status === 'rejected');
      engineError('REGISTRY_UNAVAILABLE', /over the 2 s that dray waits for all/)(result.reason);
    }
    assert.equal(registry.requests.length, 3, 'only one of them could wait');
  });

  it('may be sent fewer times than the client would', async () => {
    failFirst(99, { status: 503 });
    await using client = quickClient(registry.host).client;
    await assert.rejects(
      client.fetchManifest('a/b', 'latest', { attempts: 2 }),
      engineError('REGISTRY_UNAVAILABLE', /after 2 attempts/),
    );
    assert.equal(registry.requests.length, 2);
  });

  const final: [name: string, fault: Fault, code: ErrorCode, message: RegExp][] = [
    [
      '404',
      {
        status: 404,
        body: '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no\\u001b[2Jsuch"}]}',
      },
      'REGISTRY_NOT_FOUND',
      /"MANIFEST_UNKNOWN: no\\x1b\[2Jsuch"/,
    ],
    [
      '403',
      { status: 403, body: '{"errors":[{"code":"DENIED"}]}' },
      'REGISTRY_UNAUTHORIZED',
      /DENIED/,
    ],
    ['400', { status: 400 }, 'REGISTRY_RESPONSE_INVALID', /status 400/],
    ['501', { status: 501 }, 'REGISTRY_UNAVAILABLE', /status 501/],
    ['206 that nobody asked for', { status: 206 }, 'REGISTRY_RESPONSE_INVALID', /status 206/],
    [
      'errors that are none',
      { status: 404, body: '{"errors":[null,7,{"code":{}}]}' },
      'REGISTRY_NOT_FOUND',
      /": "/,
    ],
    [
      'an error of 10 MB',
      { status: 404, body: 'x'.repeat(10_000_000) },
      'REGISTRY_NOT_FOUND',
      /xxx…/,
    ],
    [
      'an error that never ends',
      { status: 404, endless: true },
      'REGISTRY_NOT_FOUND',
      /status 404/,
    ],
  ];
  for (const [name, fault, code, message] of final) {
    it(`is not sent again after ${name}`, async () => {
      failFirst(99, fault);
      await assert.rejects(fetchManifest(), engineError(code, message));
      assert.equal(registry.requests.length, 1);
    });
  }

  it('does not count a kept connection that the registry had closed meanwhile', async () => {
    await using client = quickClient(registry.host, { attempts: 1 }).client;
    await client.fetchManifest('a/b', 'latest');
    failFirst(0, {});
    registry.fault = (_request, count) => (count === 2 ? { reset: true } : undefined);
    await client.fetchManifest('a/b', 'latest');
    assert.equal(registry.requests.length, 3);
  });

  it('ends at once when it is cancelled: before, while waiting for an answer, between attempts', async () => {
    await using client = quickClient(registry.host, {
      retryBaseMs: 60_000,
      retryBudgetMs: 200_000,
    }).client;
    const reject = engineError('CANCELLED');
    await assert.rejects(
      client.fetchManifest('a/b', 'latest', { signal: AbortSignal.abort() }),
      reject,
    );
    for (const fault of [{ hang: true }, { status: 503 }]) {
      failFirst(99, fault);
      const before = registry.requests.length;
      const controller = new AbortController();
      const fetching = client.fetchManifest('a/b', 'latest', { signal: controller.signal });
      while (registry.requests.length === before)
        await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      await assert.rejects(fetching, reject);
    }
  });

  it('reports a warning of the registry once, escaped and cut', async () => {
    const long = 'w'.repeat(5_000);
    const warning = ['299 - "old \x1b[2Jstuff"'.replace('\x1b', '\t'), `299 - "${long}"`];
    registry.fault = () => ({ headers: { warning } });
    const { client, events } = quickClient(registry.host);
    await using _ = client;
    await client.fetchManifest('a/b', 'latest');
    await client.fetchManifest('a/b', 'latest');
    const messages = events.map((event) => (event.type === 'warning' ? event.message : ''));
    assert.equal(messages.length, 2);
    assert.match(messages[0] ?? '', /"old \\x09\[2Jstuff"/);
    assert.ok((messages[1] ?? '').length < 300);
  });
});

describe('a registry that is too slow', () => {
  const SLOW: [name: string, fault: Fault, message: RegExp][] = [
    ['never answers', { hang: true }, /did not answer within/],
    ['stalls in the body', { stallAfterBytes: 10 }, /stopped sending/],
    [
      'sends a byte now and then',
      { drip: { bytesPerWrite: 1, intervalMs: 20 } },
      /stopped sending/,
    ],
  ];
  for (const [name, fault, message] of SLOW) {
    it(`is given up when it ${name}`, async () => {
      await using registry = await TestRegistry.start({ fault: () => fault });
      registry.addImage('a/b', 'latest', IMAGE);
      const limits = { headTimeoutMs: 400, stallTimeoutMs: 400, attempts: 1 };
      await using client = quickClient(registry.host, limits).client;
      await assert.rejects(
        client.fetchManifest('a/b', 'latest'),
        engineError('REGISTRY_UNAVAILABLE', message),
      );
    });
  }
});

describe('a host that is no registry', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  async function listen(onSocket: (socket: Socket) => void): Promise<string> {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.resume();
      onSocket(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    return `127.0.0.1:${address.port}`;
  }

  async function failureOf(host: string): Promise<unknown> {
    await using client = quickClient(host, { headTimeoutMs: 500, attempts: 2 }).client;
    return await client.fetchManifest('a/b', 'latest').then(
      () => assert.fail('it answered'),
      (error: unknown) => error,
    );
  }

  it('refuses the connection: named, and not tried again', async () => {
    const host = await listen(() => {});
    const [server] = servers.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    for (const name of [host, host.replace('127.0.0.1', 'localhost')]) {
      const expected = new RegExp(`nothing accepts connections.*${name}`);
      engineError('REGISTRY_UNAVAILABLE', expected)(await failureOf(name));
    }
  });

  it('is unknown to DNS', async () => {
    const error = await failureOf('no-such-host.invalid');
    engineError('REGISTRY_UNAVAILABLE', /no-such-host\.invalid/)(error);
  });

  it('speaks something else', async () => {
    const host = await listen((socket) => socket.end('220 smtp.example ESMTP\r\n'));
    engineError('REGISTRY_RESPONSE_INVALID', /does not answer in HTTP/)(await failureOf(host));
  });

  it('sends headers without end', async () => {
    const host = await listen((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const pour = (): void => {
        while (!socket.destroyed && socket.write(`x-a: ${'y'.repeat(1000)}\r\n`));
      };
      socket.on('drain', pour);
      pour();
    });
    engineError('REGISTRY_RESPONSE_INVALID', /too large/)(await failureOf(host));
  });

  it('sends its headers a byte at a time', async () => {
    const host = await listen((socket) => {
      const timer = setInterval(() => socket.write('H'.slice(0, 1)), 20);
      socket.on('close', () => clearInterval(timer));
      socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
    });
    engineError('REGISTRY_UNAVAILABLE', /did not answer within 0\.5 s/)(await failureOf(host));
  });

  it('closes every connection', async () => {
    const host = await listen((socket) => socket.destroy());
    engineError(
      'REGISTRY_UNAVAILABLE',
      /connection was cut.*after 2 attempts/,
    )(await failureOf(host));
  });
});
