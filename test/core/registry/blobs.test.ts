import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { DigestVerifier } from '../../../src/core/oci/digest-verifier.ts';
import { engineError } from '../../support/engine-errors.ts';
import { blobOf } from '../../support/image-builder.ts';
import { collect, quickClient } from '../../support/registry-clients.ts';
import { type Fault, TestRegistry } from '../../support/test-registry.ts';

const BYTES = randomBytes(3 * 1024 * 1024 + 17);
const { descriptor: BLOB } = blobOf(BYTES, 'application/octet-stream');

describe('fetchBlob', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start();
    registry.addBlob(BYTES);
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  /** Fails the first `times` requests. */
  function failFirst(times: number, fault: Fault): void {
    registry.fault = (_request, count) => (count <= times ? fault : undefined);
  }

  async function fetchBlob(
    options: { offset?: number } = {},
    limits: Parameters<typeof quickClient>[1] = {},
  ): Promise<Buffer> {
    await using client = quickClient(registry.host, limits).client;
    return await collect(client.fetchBlob('a/b', BLOB, options));
  }

  function ranges(): (string | string[] | undefined)[] {
    return registry.requests.map(({ headers }) => headers.range);
  }

  it('gives the bytes of a blob', async () => {
    assert.ok((await fetchBlob()).equals(BYTES));
    assert.deepEqual(ranges(), [undefined]);
  });

  it('gives the bytes from an offset on', async () => {
    assert.ok((await fetchBlob({ offset: 1000 })).equals(BYTES.subarray(1000)));
    assert.deepEqual(ranges(), ['bytes=1000-']);
  });

  it('asks for nothing when the offset is the end, or the blob is empty', async () => {
    assert.equal((await fetchBlob({ offset: BYTES.length })).length, 0);
    await using client = quickClient(registry.host).client;
    const empty = { mediaType: 'x', digest: digestOf(''), size: 0 };
    assert.equal((await collect(client.fetchBlob('a/b', empty))).length, 0);
    assert.equal(registry.requests.length, 0);
  });

  it('goes on where the connection was cut, with the digest over all bytes', async () => {
    failFirst(2, { cutAfterBytes: 1_100_000 });
    await using client = quickClient(registry.host).client;
    const verifier = new DigestVerifier(BLOB, 'blob');
    for await (const chunk of client.fetchBlob('a/b', BLOB)) verifier.update(chunk);
    verifier.end();
    const [first, second, third] = ranges();
    assert.equal(first, undefined);
    assert.match(String(second), /^bytes=1[0-9]{6}-$/);
    assert.match(String(third), /^bytes=2[0-9]{6}-$/);
  });

  it('goes on after as many cuts as it takes when each brings a mebibyte', async () => {
    failFirst(2, { cutAfterBytes: 1024 * 1024 + 500 });
    assert.ok((await fetchBlob({}, { attempts: 2 })).equals(BYTES));
  });

  it('gives up when cuts bring nothing', async () => {
    failFirst(99, { cutAfterBytes: 1000 });
    await assert.rejects(
      fetchBlob(),
      engineError('REGISTRY_UNAVAILABLE', /broke off after 3000 of .*cut.*after 3 attempts/),
    );
    assert.equal(registry.requests.length, 3);
  });

  it('goes on after a stall', async () => {
    failFirst(1, { stallAfterBytes: 500_000 });
    assert.ok((await fetchBlob({}, { stallTimeoutMs: 300 })).equals(BYTES));
    assert.equal(registry.requests.length, 2);
  });

  it('is content when the connection hangs after the last byte', async () => {
    const headers = { 'content-length': undefined, 'transfer-encoding': 'chunked' };
    failFirst(99, { stallAfterBytes: BYTES.length, headers });
    assert.ok((await fetchBlob({}, { stallTimeoutMs: 300 })).equals(BYTES));
    assert.equal(registry.requests.length, 1);
  });

  it('takes the end of a connection that gave no length for a cut', async () => {
    const ranges: string[] = [];
    const server = createServer((socket) => {
      socket.on('data', (request) => {
        const range = /range: bytes=([0-9]+)-/i.exec(request.toString())?.[1];
        ranges.push(range ?? 'all');
        if (range === undefined) socket.write('HTTP/1.0 200 OK\r\n\r\n');
        else {
          const span = `${range}-${BYTES.length - 1}/${BYTES.length}`;
          socket.write(`HTTP/1.0 206 Partial Content\r\ncontent-range: bytes ${span}\r\n\r\n`);
        }
        const start = Number(range ?? 0);
        socket.end(BYTES.subarray(start, start + 2_000_000));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    await using client = quickClient(`127.0.0.1:${address.port}`).client;
    assert.ok((await collect(client.fetchBlob('a/b', BLOB))).equals(BYTES));
    assert.deepEqual(ranges, ['all', '2000000']);
    await new Promise((resolve) => server.close(resolve));
  });

  it('does not take a slow reader for a stalled registry', async () => {
    await using client = quickClient(registry.host, { stallTimeoutMs: 50, attempts: 1 }).client;
    const chunks: Buffer[] = [];
    for await (const chunk of client.fetchBlob('a/b', BLOB)) {
      if (chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 200));
      chunks.push(chunk);
    }
    assert.ok(Buffer.concat(chunks).equals(BYTES));
  });

  it('drops what it knows when the registry ignores the range', async () => {
    registry.fault = (_request, count) =>
      count === 1 ? { cutAfterBytes: 1_100_000 } : { ignoreRange: true };
    assert.ok((await fetchBlob()).equals(BYTES));
    assert.ok((await fetchBlob({ offset: 2_000_000 })).equals(BYTES.subarray(2_000_000)));
  });

  it('asks for everything when the registry refuses the range', async () => {
    registry.fault = ({ headers }) => (headers.range === undefined ? {} : { status: 416 });
    assert.ok((await fetchBlob({ offset: 1000 })).equals(BYTES.subarray(1000)));
    assert.deepEqual(ranges(), ['bytes=1000-', undefined]);
  });

  it('goes on when the registry gives a part of the range', async () => {
    failFirst(1, {
      shortenTo: 5000,
      headers: { 'content-range': `bytes 1000-5999/${BYTES.length}` },
    });
    assert.ok((await fetchBlob({ offset: 1000 })).equals(BYTES.subarray(1000)));
    assert.deepEqual(ranges(), ['bytes=1000-', 'bytes=6000-']);
  });

  it('gives up when the registry gives the range a byte at a time', async () => {
    registry.fault = ({ headers }) => {
      const at = Number(/[0-9]+/.exec(String(headers.range))?.[0] ?? 0);
      return { shortenTo: 1, headers: { 'content-range': `bytes ${at}-${at}/${BYTES.length}` } };
    };
    await assert.rejects(
      fetchBlob({ offset: 1000 }),
      engineError(
        'REGISTRY_UNAVAILABLE',
        /broke off after 1003 of 3145745 bytes.*after 3 attempts/,
      ),
    );
    assert.equal(registry.requests.length, 3);
  });

  const wrongRanges = [
    'bytes 0-9/10',
    `bytes 999-${BYTES.length - 1}/${BYTES.length}`,
    `bytes 1000-${BYTES.length}/*`,
    `bytes 1000-${BYTES.length - 2}/${BYTES.length}`,
    'bytes */9',
    'junk',
    undefined,
  ];
  for (const contentRange of wrongRanges) {
    it(`never takes bytes of the range ${contentRange}`, async () => {
      registry.fault = () => ({ headers: { 'content-range': contentRange } });
      await assert.rejects(
        fetchBlob({ offset: 1000 }),
        engineError('REGISTRY_RESPONSE_INVALID', /from byte 1000/),
      );
      assert.equal(registry.requests.length, 1);
    });
  }

  const wrongSizes: [name: string, fault: Fault, offset: number, message: RegExp][] = [
    ['announced as shorter', { shortenTo: 1000 }, 0, /announced with "1000"/],
    [
      'shorter without a length',
      { shortenTo: 1000, headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' } },
      0,
      /ended after 1000 of the 3145745 bytes/,
    ],
    [
      'announced as longer',
      { headers: { 'content-length': '99999999' } },
      0,
      /announced with "99999999"/,
    ],
    [
      'of another total in a range',
      { headers: { 'content-range': 'bytes 1000-8999999/9000000' } },
      1000,
      /announced with 9000000/,
    ],
  ];
  for (const [name, fault, offset, message] of wrongSizes) {
    it(`refuses a blob that is ${name}`, async () => {
      failFirst(99, fault);
      await assert.rejects(fetchBlob({ offset }), engineError('SIZE_MISMATCH', message));
      assert.equal(registry.requests.length, 1);
    });
  }

  it('ends after one byte too many of an endless body, and hangs up', async () => {
    failFirst(99, { endless: true });
    await using client = quickClient(registry.host).client;
    const verifier = new DigestVerifier(BLOB, 'layer 1/1');
    const fetching = async (): Promise<void> => {
      for await (const chunk of client.fetchBlob('a/b', BLOB)) verifier.update(chunk);
    };
    await assert.rejects(fetching(), engineError('SIZE_MISMATCH', /layer 1\/1 is longer/));
    assert.equal(verifier.bytesRead, BLOB.size + 1);
    while (registry.openConnections > 0) await nextTurn();
  });

  it('hangs up when its reader leaves, and when it is cancelled', async () => {
    failFirst(99, { endless: true });
    await using client = quickClient(registry.host).client;
    for await (const chunk of client.fetchBlob('a/b', BLOB)) {
      assert.ok(chunk.length > 0);
      break;
    }
    while (registry.openConnections > 0) await nextTurn();
    const controller = new AbortController();
    const fetching = async (): Promise<void> => {
      const { signal } = controller;
      for await (const chunk of client.fetchBlob('a/b', BLOB, { signal })) {
        assert.ok(chunk.length > 0);
        controller.abort();
      }
    };
    await assert.rejects(fetching(), engineError('CANCELLED'));
    while (registry.openConnections > 0) await nextTurn();
  });

  it('holds no more than the buffers while its reader sleeps', async () => {
    const size = 256 * 1024 * 1024;
    failFirst(99, { endless: true, body: 'x', headers: { 'content-length': undefined } });
    await using client = quickClient(registry.host).client;
    const blob = { ...BLOB, size };
    for await (const chunk of client.fetchBlob('a/b', blob)) {
      assert.ok(chunk.length > 0);
      const before = process.memoryUsage().arrayBuffers;
      for (let turn = 0; turn < 2_000; turn += 1) await nextTurn();
      const grown = process.memoryUsage().arrayBuffers - before;
      assert.ok(grown < 16 * 1024 * 1024, `${grown} bytes gathered`);
      break;
    }
  });

  it('says which blob of which repository is missing', async () => {
    await using client = quickClient(registry.host).client;
    const missing = { ...BLOB, digest: digestOf('missing') };
    await assert.rejects(
      collect(client.fetchBlob('some/where', missing)),
      engineError('REGISTRY_NOT_FOUND', new RegExp(`${missing.digest}.*some/where.*BLOB_UNKNOWN`)),
    );
  });

  it('uses one connection for one blob after another', async () => {
    await using client = quickClient(registry.host).client;
    for (let turn = 0; turn < 3; turn += 1) await collect(client.fetchBlob('a/b', BLOB));
    assert.equal(registry.openConnections, 1);
  });
});

describe('fetchSmallBlob', () => {
  const SMALL = blobOf(Buffer.from('{"a":1}'), 'application/json');
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start();
    registry.addBlob(SMALL.bytes);
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  async function fetchSmall(maxBytes = 1000): Promise<Buffer> {
    await using client = quickClient(registry.host).client;
    return await client.fetchSmallBlob('a/b', SMALL.descriptor, maxBytes);
  }

  it('gives verified bytes', async () => {
    assert.deepEqual(await fetchSmall(), SMALL.bytes);
  });

  it('fetches wrong bytes once more', async () => {
    registry.fault = (_request, count) => (count === 1 ? { flipByteAt: 0 } : undefined);
    assert.deepEqual(await fetchSmall(), SMALL.bytes);
    assert.equal(registry.requests.length, 2);
  });

  const refused: [
    name: string,
    fault: Fault,
    code: ErrorCode,
    message: RegExp,
    requests: number,
  ][] = [
    [
      'wrong bytes twice, naming both digests',
      { flipByteAt: 0 },
      'DIGEST_MISMATCH',
      new RegExp(`expected "${SMALL.descriptor.digest}", found "sha256:`),
      2,
    ],
    ['fewer bytes', { shortenTo: 3 }, 'SIZE_MISMATCH', /of the 7 bytes/, 1],
    ['endless bytes', { endless: true }, 'SIZE_MISMATCH', /longer than the 7 bytes/, 1],
  ];
  for (const [name, fault, code, message, requests] of refused) {
    it(`refuses ${name}`, async () => {
      registry.fault = () => fault;
      await assert.rejects(fetchSmall(), engineError(code, message));
      assert.equal(registry.requests.length, requests);
    });
  }

  it('does not ask for a blob that is too large', async () => {
    await assert.rejects(
      fetchSmall(6),
      engineError('IMAGE_INVALID', /7 bytes; expected at most 6/),
    );
    assert.equal(registry.requests.length, 0);
  });
});

describe('a client that is closed', () => {
  it('ends what is under way and sends nothing more', async () => {
    await using registry = await TestRegistry.start({ fault: () => ({ stallAfterBytes: 10 }) });
    registry.addBlob(BYTES);
    const { client } = quickClient(registry.host);
    const fetching = collect(client.fetchBlob('a/b', BLOB));
    while (registry.requests.length === 0) await nextTurn();
    await client[Symbol.asyncDispose]();
    await assert.rejects(fetching, engineError('CANCELLED', /closed/));
    await assert.rejects(client.fetchManifest('a/b', 'x'), engineError('CANCELLED', /closed/));
    assert.equal(registry.requests.length, 1);
  });
});
