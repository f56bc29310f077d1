import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { EngineError, ErrorCode } from '../../../src/core/errors.ts';
import { OCI_MANIFEST } from '../../../src/core/oci/media-type.ts';
import { contentOf } from '../../../src/core/registry/upload-content.ts';
import { engineError } from '../../support/engine-errors.ts';
import { blobOf } from '../../support/image-builder.ts';
import { quickClient } from '../../support/registry-clients.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const MIB = 1024 * 1024;
const BLOB = blobOf(Buffer.alloc(20 * MIB, 'b'), 'application/octet-stream');
const MANIFEST = { bytes: Buffer.from('{"schemaVersion":2}'), mediaType: OCI_MANIFEST };

/** Serves every PUT by `onPut`; a POST begins an upload, and nothing is there. */
async function withServer(
  onPut: (request: IncomingMessage, response: ServerResponse) => void,
  work: (host: string) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    if (request.method === 'PUT') onPut(request, response);
    else if (request.method === 'POST') response.writeHead(202, { location: '/upload' }).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('a request with a body', () => {
  it('is not sent to its end once it is answered, and the answer counts', async () => {
    let received = 0;
    const onPut = (request: IncomingMessage, response: ServerResponse): void => {
      request.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"DENIED","message":"no"}]}');
    };
    await withServer(onPut, async (host) => {
      await using client = quickClient(host).client;
      const { descriptor, bytes } = BLOB;
      await assert.rejects(
        client.pushBlob('a/b', descriptor, { content: contentOf(bytes) }),
        engineError('REGISTRY_UNAUTHORIZED', /status 403.*DENIED/),
      );
    });
    assert.ok(received < BLOB.bytes.length, 'all of it was sent');
  });

  it('may take longer than the time-out, as long as it moves', async () => {
    const bytes = Buffer.alloc(8 * MIB, 's');
    const slow = blobOf(bytes, 'application/octet-stream');
    const onPut = (request: IncomingMessage, response: ServerResponse): void => {
      let taken = 0;
      request.on('data', (chunk: Buffer) => {
        const before = Math.floor(taken / MIB);
        taken += chunk.length;
        if (taken > 5 * MIB || before === Math.floor(taken / MIB)) return;
        request.pause();
        setTimeout(() => request.resume(), 300);
      });
      request.on('end', () => {
        response.writeHead(201).end();
      });
    };
    await withServer(onPut, async (host) => {
      const headTimeoutMs = 1_000;
      await using client = quickClient(host, { headTimeoutMs }).client;
      const startedAt = performance.now();
      await client.pushBlob('a/b', slow.descriptor, { content: contentOf(bytes) });
      assert.ok(performance.now() - startedAt > headTimeoutMs, 'it was too fast to show anything');
    });
  });

  it('is sent again with a token, also when the token ends in the middle of a push', async () => {
    await using registry = await TestRegistry.start({ auth: 'token' });
    await using client = quickClient(registry.host).client;
    const blob = blobOf(Buffer.from('bytes'), 'application/octet-stream');
    registry.fault = ({ method }, count) => {
      if (method === 'POST' && count === 1) registry.expireTokens();
      if (method === 'PUT' && count === 1) registry.expireTokens();
      return undefined;
    };
    await client.pushBlob('a/b', blob.descriptor, { content: contentOf(blob.bytes) });
    assert.deepEqual(registry.uploads.blob('a/b', blob.descriptor.digest), blob.bytes);
    const scopes = registry
      .requestsFor('/token')
      .map(({ path }) => new URL(path, registry.origin).searchParams.getAll('scope').join(' '));
    assert.ok(scopes.length >= 2);
    for (const scope of scopes) assert.match(scope, /^repository:a\/b:pull,push$/);
  });

  it('goes where 307 and 308 lead, without a token at another origin', async () => {
    await using registry = await TestRegistry.start({ auth: 'token' });
    await using other = await TestRegistry.start();
    other.uploads.addBlob('a/b', Buffer.from('{}'));
    const digest = blobOf(Buffer.from('{}'), '').descriptor.digest;
    const bytes = Buffer.from(JSON.stringify({ config: { digest }, layers: [] }));
    for (const status of [307, 308]) {
      registry.fault = ({ method, path, headers }) =>
        method === 'PUT' && headers.authorization !== undefined
          ? { status, headers: { location: `${other.origin}${path}` } }
          : undefined;
      await using client = quickClient(registry.host).client;
      await client.pushManifest('a/b', `v${status}`, { bytes, mediaType: OCI_MANIFEST });
      const last = other.requests.at(-1);
      assert.equal(last?.status, 201);
      assert.deepEqual(last?.body, bytes);
      assert.equal(last?.headers.authorization, undefined);
    }
  });

  for (const status of [301, 302, 303]) {
    it(`goes nowhere after ${status}`, async () => {
      await using registry = await TestRegistry.start();
      registry.fault = ({ method }) =>
        method === 'PUT' ? { status, headers: { location: '/elsewhere' } } : undefined;
      await using client = quickClient(registry.host).client;
      await assert.rejects(
        client.pushManifest('a/b', 'v1', MANIFEST),
        engineError('REGISTRY_RESPONSE_INVALID', new RegExp(`status ${status}.*keep a PUT`)),
      );
      assert.equal(registry.requestsFor('/elsewhere').length, 0);
    });
  }

  const hints: [status: number, code: string, expected: ErrorCode, hint: RegExp][] = [
    [401, 'UNAUTHORIZED: no', 'REGISTRY_UNAUTHORIZED', /dray login 127\.0\.0\.1:[0-9]+/],
    [403, 'DENIED: no', 'REGISTRY_UNAUTHORIZED', /dray login 127\.0\.0\.1:[0-9]+/],
    [403, 'DENIED: quota exceeded', 'REGISTRY_UNAUTHORIZED', /no room left/],
    [404, 'NAME_UNKNOWN: no', 'REGISTRY_NOT_FOUND', /made before the first push/],
    [405, 'UNSUPPORTED: no', 'REGISTRY_RESPONSE_INVALID', /read-only/],
    [413, 'SIZE_INVALID: no', 'REGISTRY_RESPONSE_INVALID', /proxy/],
    [507, 'UNKNOWN: insufficient storage', 'REGISTRY_UNAVAILABLE', /no room left/],
  ];
  for (const [status, words, code, hint] of hints) {
    it(`says what to do about ${status} ${words}`, async () => {
      await using registry = await TestRegistry.start();
      const [name, message] = words.split(': ');
      const body = JSON.stringify({ errors: [{ code: name, message }] });
      registry.fault = () => ({ status, body });
      await using client = quickClient(registry.host).client;
      await assert.rejects(client.pushManifest('a/b', 'v1', MANIFEST), (error: EngineError) => {
        engineError(code, new RegExp(`cannot push manifest .*status ${status}.*${words}`))(error);
        assert.match(error.hint ?? '', hint);
        return true;
      });
    });
  }
});
