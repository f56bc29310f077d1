import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/core/errors.ts';
import type { UploadSizes } from '../../../src/core/registry/blob-upload.ts';
import type { PushBlobOptions } from '../../../src/core/registry/registry-client.ts';
import { type BlobContent, contentOf } from '../../../src/core/registry/upload-content.ts';
import { engineError } from '../../support/engine-errors.ts';
import { blobOf } from '../../support/image-builder.ts';
import { quickClient } from '../../support/registry-clients.ts';
import {
  type Fault,
  type FaultHook,
  type RecordedRequest,
  TestRegistry,
} from '../../support/test-registry.ts';

const KIB = 1024;
const BYTES = Buffer.from(Array.from({ length: 300 * KIB }, (_, at) => (at * 7) ^ (at >> 8)));
const BLOB = blobOf(BYTES, 'application/octet-stream');
const { descriptor } = BLOB;
const CHUNKED: UploadSizes = { wholeBytes: 0, chunkBytes: 100 * KIB };
const WHOLE: UploadSizes = { wholeBytes: 1024 * KIB, chunkBytes: 100 * KIB };

interface Push extends PushBlobOptions {
  readonly sizes?: UploadSizes;
  readonly content?: BlobContent;
}

/** The fault that `decide` gives first; afterwards none. */
function once(decide: (request: Asked) => Fault | undefined): FaultHook {
  let isOver = false;
  return (request) => {
    const fault = isOver ? undefined : decide(request);
    isOver ||= fault !== undefined;
    return fault;
  };
}

type Asked = Pick<RecordedRequest, 'method' | 'path'>;

function isSecondChunk({ method, path }: Asked): boolean {
  return method === 'PATCH' && path.includes('state=102400');
}

describe('pushing a blob', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start();
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  async function push({ sizes = WHOLE, content = contentOf(BYTES), ...options }: Push = {}) {
    await using client = quickClient(
      registry.host,
      { headTimeoutMs: 500 },
      { uploadSizes: sizes },
    ).client;
    return await client.pushBlob('a/b', descriptor, { content, ...options });
  }

  /** The push succeeded: the registry has these very bytes, and nothing is left under way. */
  function assertPushed(): void {
    assert.deepEqual(registry.uploads.blob('a/b', descriptor.digest), BYTES);
  }

  const methods = (): string => registry.requests.map(({ method }) => method).join(' ');

  it('asks first, and sends a small one in one piece', async () => {
    assert.equal(await push(), 'uploaded');
    assert.equal(methods(), 'HEAD POST PUT');
    assertPushed();
    assert.equal(registry.uploads.openSessions, 0);
    const put = registry.requests[2];
    assert.equal(put?.headers['content-type'], 'application/octet-stream');
    assert.equal(put?.headers['content-length'], String(BYTES.length));
    // The registry's own query is handed back as it was.
    assert.match(put?.path ?? '', /\?state=0%20a\+b&digest=sha256%3A[0-9a-f]{64}$/);
  });

  it('sends nothing of what is there', async () => {
    registry.uploads.addBlob('a/b', BYTES);
    assert.equal(await push(), 'existing');
    assert.equal(methods(), 'HEAD');
  });

  it('sends what the registry has under this digest with another size', async () => {
    registry.fault = ({ method }) =>
      method === 'HEAD' ? { status: 200, headers: { 'content-length': '5' } } : undefined;
    assert.equal(await push(), 'uploaded');
    assertPushed();
  });

  it('sends a large one in chunks', async () => {
    assert.equal(await push({ sizes: CHUNKED }), 'uploaded');
    assert.equal(methods(), 'HEAD POST PATCH PATCH PATCH PUT');
    assertPushed();
    assert.deepEqual(
      registry.requestsFor('uploads/1').map(({ headers }) => headers['content-range']),
      ['0-102399', '102400-204799', '204800-307199', undefined],
    );
  });

  it('sends an empty one, too', async () => {
    const empty = blobOf(Buffer.alloc(0), 'application/octet-stream');
    await using client = quickClient(registry.host).client;
    const content = contentOf(empty.bytes);
    await client.pushBlob('a/b', empty.descriptor, { content });
    assert.equal(registry.uploads.blob('a/b', empty.descriptor.digest)?.length, 0);
  });

  it('tells how far it is', async () => {
    const told: number[] = [];
    await push({ sizes: CHUNKED, onSent: (bytes) => told.push(bytes) });
    assert.equal(told[0], 0);
    assert.equal(told.at(-1), BYTES.length);
  });

  it('sends chunks as long as the registry wants them', async () => {
    registry.uploads.behaviour = { minChunkBytes: 200 * KIB };
    await push({ sizes: CHUNKED });
    assert.equal(methods(), 'HEAD POST PATCH PATCH PUT');
    assertPushed();
  });

  it('goes on at a location without a host', async () => {
    registry.uploads.behaviour = { hasRelativeLocations: true };
    await push({ sizes: CHUNKED });
    assertPushed();
  });

  it('mounts a blob that another repository has', async () => {
    registry.uploads.addBlob('base', BYTES);
    assert.equal(await push({ mountFrom: 'base' }), 'mounted');
    assert.equal(methods(), 'HEAD POST');
    const path = `/v2/a/b/blobs/uploads/?mount=${encodeURIComponent(descriptor.digest)}&from=base`;
    assert.equal(registry.requests[1]?.path, path);
    assertPushed();
  });

  it('uploads in the session that it gets instead of a mount', async () => {
    registry.uploads.behaviour = { cannotMount: true };
    registry.uploads.addBlob('base', BYTES);
    assert.equal(await push({ mountFrom: 'base' }), 'uploaded');
    assert.equal(methods(), 'HEAD POST PUT');
    assertPushed();
  });

  for (const status of [401, 403, 404, 405]) {
    it(`uploads after a mount that is refused with ${status}`, async () => {
      registry.fault = ({ path }) => (path.includes('mount=') ? { status } : undefined);
      assert.equal(await push({ mountFrom: 'base' }), 'uploaded');
      assert.equal(methods(), 'HEAD POST POST PUT');
      assertPushed();
    });
  }

  const passing: [name: string, sizes: UploadSizes, fault: FaultHook, methods: string][] = [
    [
      '429 for the POST',
      WHOLE,
      once(({ method }) => (method === 'POST' ? { status: 429 } : undefined)),
      'HEAD POST POST PUT',
    ],
    [
      '503 for a PUT that the registry has acted on: the blob is there',
      WHOLE,
      once(({ method }) => (method === 'PUT' ? { status: 503 } : undefined)),
      'HEAD POST PUT HEAD',
    ],
    [
      'a cut in the middle of the PUT: all of it is sent anew',
      WHOLE,
      once(({ method }) => (method === 'PUT' ? { cutRequestAfterBytes: 150 * KIB } : undefined)),
      'HEAD POST PUT HEAD POST PUT',
    ],
    [
      '429 for a PATCH that the registry has acted on: it is not sent again',
      CHUNKED,
      once((request) => (isSecondChunk(request) ? { status: 429 } : undefined)),
      'HEAD POST PATCH PATCH GET PATCH PUT',
    ],
    [
      'a connection that is reset instead of an answer to a PATCH',
      CHUNKED,
      once((request) => (isSecondChunk(request) ? { reset: true } : undefined)),
      'HEAD POST PATCH PATCH GET PATCH PATCH PUT',
    ],
  ];
  for (const [name, sizes, fault, expected] of passing) {
    it(`survives ${name}`, async () => {
      registry.fault = fault;
      await push({ sizes });
      assert.equal(methods(), expected);
      assertPushed();
    });
  }

  it('does not wait for ever for an answer', async () => {
    registry.fault = once((request) => (isSecondChunk(request) ? { hang: true } : undefined));
    const options = { uploadSizes: CHUNKED };
    await using client = quickClient(registry.host, { headTimeoutMs: 300 }, options).client;
    await client.pushBlob('a/b', descriptor, { content: contentOf(BYTES) });
    assertPushed();
  });

  it('sends after a cut only what has not arrived, where the registry kept the rest', async () => {
    registry.fault = once((request) =>
      isSecondChunk(request) ? { cutRequestAfterBytes: 64 * KIB } : undefined,
    );
    await push({ sizes: CHUNKED });
    assert.equal(methods(), 'HEAD POST PATCH PATCH GET PATCH PATCH PUT');
    const ranges = registry.requests.flatMap(({ headers }) => headers['content-range'] ?? []);
    assert.deepEqual(ranges, [
      '0-102399',
      '102400-204799',
      `${164 * KIB}-${264 * KIB - 1}`,
      `${264 * KIB}-307199`,
    ]);
    assertPushed();
  });

  it('begins anew after a cut where the registry kept nothing', async () => {
    registry.uploads.behaviour = { forgetsAfterCut: true };
    registry.fault = once((request) =>
      isSecondChunk(request) ? { cutRequestAfterBytes: 64 * KIB } : undefined,
    );
    await push({ sizes: CHUNKED });
    assert.equal(methods(), 'HEAD POST PATCH PATCH GET POST PATCH PATCH PATCH PUT');
    assertPushed();
  });

  for (const status of [400, 404, 405, 501]) {
    it(`sends it in one piece where chunks are refused with ${status}`, async () => {
      registry.uploads.behaviour = { refusesPatch: status };
      await push({ sizes: CHUNKED });
      assert.equal(methods(), 'HEAD POST PATCH POST PUT');
      assertPushed();
    });
  }

  it('asks what has arrived after 416, and gives chunks up when that does not help', async () => {
    registry.uploads.behaviour = { refusesPatch: 416 };
    await push({ sizes: CHUNKED });
    assert.match(methods(), /^HEAD POST PATCH GET PATCH GET .*POST PUT$/);
    assertPushed();
  });

  it('goes on where the registry is after 416', async () => {
    registry.fault = once((request) => (isSecondChunk(request) ? { status: 416 } : undefined));
    await push({ sizes: CHUNKED });
    assertPushed();
    assert.equal(registry.requestsFor('uploads/2').length, 0);
  });

  it('sends ever smaller chunks through a proxy that refuses large bodies', async () => {
    const size = 3 * 1024 * KIB;
    const large = blobOf(Buffer.alloc(size, 'x'), 'application/octet-stream');
    registry.uploads.behaviour = { maxBodyBytes: 1024 * KIB };
    await using client = quickClient(registry.host).client;
    await client.pushBlob('a/b', large.descriptor, { content: contentOf(large.bytes) });
    assert.equal(methods(), `HEAD POST PUT POST PATCH GET${' PATCH'.repeat(6)} PUT`);
    assert.deepEqual(registry.uploads.blob('a/b', large.descriptor.digest), large.bytes);
  });

  it('sends chunks where the PUT of all bytes is not known', async () => {
    registry.uploads.behaviour = { refusesWholePut: 405 };
    await push();
    assert.equal(methods(), 'HEAD POST PUT POST PATCH PUT');
    assertPushed();
  });

  const refused: [name: string, fault: FaultHook, code: ErrorCode, message: RegExp][] = [
    [
      '403',
      ({ method }) =>
        method === 'POST'
          ? { status: 403, body: '{"errors":[{"code":"DENIED","message":"quota exceeded"}]}' }
          : undefined,
      'REGISTRY_UNAUTHORIZED',
      /cannot push blob .*status 403.*DENIED: quota exceeded/,
    ],
    [
      '405 for the POST',
      ({ method }) => (method === 'POST' ? { status: 405 } : undefined),
      'REGISTRY_RESPONSE_INVALID',
      /cannot push blob .*status 405/,
    ],
    [
      '413 for every body',
      ({ method }) => (method === 'PUT' || method === 'PATCH' ? { status: 413 } : undefined),
      'REGISTRY_RESPONSE_INVALID',
      /status 413/,
    ],
    [
      'no location',
      ({ method }) => (method === 'POST' ? { headers: { location: undefined } } : undefined),
      'REGISTRY_RESPONSE_INVALID',
      /no usable location/,
    ],
    [
      'a location at the metadata service',
      ({ method }) =>
        method === 'POST' ? { headers: { location: 'http://169.254.169.254/x' } } : undefined,
      'REGISTRY_RESPONSE_INVALID',
      /location "http:\/\/169.*plain http/,
    ],
    [
      'a location with user information',
      ({ method }) =>
        method === 'POST' ? { headers: { location: 'https://u:p@example.com/x' } } : undefined,
      'REGISTRY_RESPONSE_INVALID',
      /user information/,
    ],
    [
      '201 with another digest',
      ({ method }) =>
        method === 'PUT'
          ? { headers: { 'docker-content-digest': blobOf(Buffer.from('x'), '').descriptor.digest } }
          : undefined,
      'DIGEST_MISMATCH',
      /stored something else/,
    ],
    [
      'a redirect that would turn the PUT into a GET',
      ({ method }) => (method === 'PUT' ? { status: 302, headers: { location: '/x' } } : undefined),
      'REGISTRY_RESPONSE_INVALID',
      /status 302/,
    ],
  ];
  for (const [name, fault, code, message] of refused) {
    it(`fails after ${name}`, async () => {
      registry.fault = fault;
      await assert.rejects(push(), engineError(code, message));
    });
  }

  it('fails when the registry claims to have more than it was sent', async () => {
    registry.fault = ({ method }) =>
      method === 'PATCH' ? { headers: { range: '0-999999' } } : undefined;
    await assert.rejects(
      push({ sizes: CHUNKED }),
      engineError('REGISTRY_RESPONSE_INVALID', /it has 1000000 bytes after it was sent 102400/),
    );
    assert.equal(registry.requests.at(-1)?.method, 'DELETE');
  });

  it('gives chunks up, and then all of it, where the registry says that none arrived', async () => {
    registry.fault = ({ method }) =>
      method === 'HEAD' ? undefined : { headers: { range: '0-0' } };
    await push({ sizes: CHUNKED });
    assertPushed();
    registry.uploads.behaviour = { refusesWholePut: 400 };
    registry.fault = ({ method }) =>
      method === 'HEAD' ? { status: 404 } : { headers: { range: '0-0' } };
    await assert.rejects(push({ sizes: CHUNKED }), engineError('REGISTRY_RESPONSE_INVALID', /400/));
  });

  it('never completes a blob whose bytes have changed', async () => {
    for (const sizes of [WHOLE, CHUNKED]) {
      const damaged = Buffer.from(BYTES);
      damaged[5] = ~(damaged[5] ?? 0);
      const content = contentOf(damaged);
      await assert.rejects(push({ sizes, content }), engineError('DIGEST_MISMATCH'));
      const short = contentOf(BYTES.subarray(0, 200 * KIB));
      await assert.rejects(push({ sizes, content: short }), engineError('SIZE_MISMATCH'));
    }
    assert.equal(registry.uploads.blob('a/b', descriptor.digest), undefined);
    assert.equal(
      registry.requests.some(({ status }) => status === 201),
      false,
    );
  });

  it('gives the upload up when it is cancelled', async () => {
    const controller = new AbortController();
    registry.fault = ({ method, path }) => {
      if (isSecondChunk({ method, path })) controller.abort();
      return undefined;
    };
    await assert.rejects(
      push({ sizes: CHUNKED, signal: controller.signal }),
      engineError('CANCELLED'),
    );
    assert.equal(registry.requests.at(-1)?.method, 'DELETE');
    assert.equal(registry.uploads.openSessions, 0);
  });
});

describe('an upload at another origin than the registry', () => {
  it('gets the bytes but no token, and a redirect keeps method and body', async () => {
    await using registry = await TestRegistry.start({ auth: 'token' });
    await using storage = await TestRegistry.start();
    // Both share their sessions: the storage is where the registry keeps its uploads.
    registry.uploads.behaviour = { uploadOrigin: storage.origin };
    storage.fault = ({ method, path }) =>
      method === 'PATCH' && path.includes('state=0') && !path.includes('again')
        ? { redirect: `${storage.origin}${path}&again=1` }
        : undefined;
    const session = await (
      await fetch(`${storage.origin}/v2/a/b/blobs/uploads/`, { method: 'POST' })
    ).text();
    assert.equal(session, '');
    await using client = quickClient(registry.host, {}, { uploadSizes: CHUNKED }).client;
    await client.pushBlob('a/b', descriptor, { content: contentOf(BYTES) });
    const moved = storage.requests.filter(({ path }) => path.includes('again=1'));
    assert.equal(moved[0]?.method, 'PATCH');
    assert.equal(moved[0]?.body.length, CHUNKED.chunkBytes);
    for (const { headers } of storage.requests) assert.equal(headers.authorization, undefined);
    assert.ok(registry.requests.some(({ headers }) => headers.authorization !== undefined));
    assert.deepEqual(storage.uploads.blob('a/b', descriptor.digest), BYTES);
  });
});
