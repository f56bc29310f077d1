import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { engineError } from '../../support/engine-errors.ts';
import { blobOf } from '../../support/image-builder.ts';
import {
  collect,
  loopbackCertificate,
  quickClient,
  trust,
} from '../../support/registry-clients.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const BLOB = blobOf(Buffer.from('bytes of a layer'), 'application/octet-stream');
const BLOB_PATH = `/v2/a/b/blobs/${BLOB.descriptor.digest}`;

describe('a blob that the registry redirects', () => {
  let registry: TestRegistry;
  let storage: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start({ auth: 'token' });
    storage = await TestRegistry.start();
    registry.addBlob(BLOB.bytes);
    storage.addBlob(BLOB.bytes);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await storage[Symbol.asyncDispose]();
  });

  async function fetchBlob(): Promise<Buffer> {
    await using client = quickClient(registry.host).client;
    return await collect(client.fetchBlob('a/b', BLOB.descriptor));
  }

  for (const status of [301, 302, 303, 307, 308]) {
    it(`is fetched from the other host after ${status}, without the token`, async () => {
      const location = `${storage.origin}${BLOB_PATH}?X-Amz-Signature=s3cret`;
      storage.requests.length = 0;
      registry.fault = ({ path, headers }) =>
        path === BLOB_PATH && headers.authorization !== undefined
          ? { status, headers: { location } }
          : undefined;
      assert.deepEqual(await fetchBlob(), BLOB.bytes);
      assert.equal(registry.requests.at(-1)?.headers.authorization?.slice(0, 6), 'Bearer');
      assert.equal(storage.requests.length, 1);
      const headers = storage.requests[0]?.headers ?? {};
      for (const name of ['authorization', 'cookie', 'proxy-authorization', 'referer']) {
        assert.equal(headers[name], undefined, name);
      }
    });
  }

  it('gets the token neither on another port nor under another name of the same host', async () => {
    registry.fault = ({ path, headers }) =>
      path === BLOB_PATH && headers.authorization !== undefined
        ? { redirect: `http://localhost:${registry.port}/v2/other/blobs/x` }
        : undefined;
    registry.requests.length = 0;
    await assert.rejects(fetchBlob(), engineError('REGISTRY_UNAUTHORIZED'));
    const [other] = registry.requestsFor('/v2/other/');
    assert.ok(other !== undefined);
    assert.equal(other.headers.authorization, undefined);
  });

  it('gets the token on the way back to the registry itself, by a relative location', async () => {
    registry.fault = ({ path }) =>
      path === BLOB_PATH ? { redirect: `../../moved/blobs/${BLOB.descriptor.digest}` } : undefined;
    assert.deepEqual(await fetchBlob(), BLOB.bytes);
  });

  it('is not followed for ever', async () => {
    registry.fault = ({ path }) => (path.startsWith('/v2/') ? { redirect: BLOB_PATH } : undefined);
    registry.requests.length = 0;
    await assert.rejects(fetchBlob(), engineError('REGISTRY_RESPONSE_INVALID', /more than 5/));
    assert.equal(registry.requests.length, 6);
  });

  const refused: [name: string, location: string, message: RegExp][] = [
    ['a file', 'file:///etc/passwd', /neither https nor http/],
    ['ftp', 'ftp://example.com/x', /neither https nor http/],
    ['a socket', 'unix:/run/docker.sock', /neither https nor http/],
    ['the metadata service', 'http://169.254.169.254/latest', /plain http/],
    ['user information', 'https://user:pw@example.com/x', /user information/],
    ['nothing that is a URL', 'http://[', /no usable location/],
  ];
  for (const [name, location, message] of refused) {
    it(`is not followed to ${name}, and the error tells the way`, async () => {
      registry.fault = ({ path }) => (path === BLOB_PATH ? { redirect: location } : undefined);
      await assert.rejects(fetchBlob(), (error) => {
        engineError('REGISTRY_RESPONSE_INVALID', message)(error);
        engineError('REGISTRY_RESPONSE_INVALID', new RegExp(registry.host))(error);
        assert.doesNotMatch(String(error), /pw@/);
        return true;
      });
    });
  }

  it('is not followed without a location', async () => {
    registry.fault = ({ path }) => (path === BLOB_PATH ? { status: 307 } : undefined);
    await assert.rejects(fetchBlob(), engineError('REGISTRY_RESPONSE_INVALID', /no usable/));
  });

  it('names the other host without its query when that one fails', async () => {
    const location = `${storage.origin}/gone?X-Amz-Signature=s3cret`;
    registry.fault = ({ path, headers }) =>
      path === BLOB_PATH && headers.authorization !== undefined
        ? { redirect: location }
        : undefined;
    await assert.rejects(fetchBlob(), (error) => {
      engineError('REGISTRY_NOT_FOUND', new RegExp(`${storage.host}/gone`))(error);
      assert.doesNotMatch(String(error), /s3cret/);
      return true;
    });
  });
});

describe('an https registry', () => {
  const certificate = loopbackCertificate();
  let secure: TestRegistry;
  let plain: TestRegistry;

  before(async () => {
    secure = await TestRegistry.start({ tls: certificate });
    plain = await TestRegistry.start();
    for (const registry of [secure, plain]) registry.addBlob(BLOB.bytes);
  });
  after(async () => {
    await secure[Symbol.asyncDispose]();
    await plain[Symbol.asyncDispose]();
  });

  function secureClient(): ReturnType<typeof quickClient>['client'] {
    return quickClient('registry.example', {}, { endpoint: new URL(secure.origin) }).client;
  }

  it('is refused while its certificate is not trusted, and nothing is sent in plain http', async () => {
    await using client = secureClient();
    await assert.rejects(
      collect(client.fetchBlob('a/b', BLOB.descriptor)),
      engineError('REGISTRY_UNAVAILABLE', /cannot be trusted.*DEPTH_ZERO_SELF_SIGNED_CERT/),
    );
    assert.equal(secure.requests.length, 0);
  });

  it('is read over TLS', async () => {
    trust(certificate.cert);
    await using client = secureClient();
    assert.deepEqual(await collect(client.fetchBlob('a/b', BLOB.descriptor)), BLOB.bytes);
  });

  it('may not redirect to plain http, not even on loopback', async () => {
    trust(certificate.cert);
    secure.fault = () => ({ redirect: `${plain.origin}${BLOB_PATH}` });
    await using client = secureClient();
    await assert.rejects(
      collect(client.fetchBlob('a/b', BLOB.descriptor)),
      engineError('REGISTRY_RESPONSE_INVALID', /from https to http/),
    );
    assert.equal(plain.requests.length, 0);
  });

  it('may not name a realm in plain http', async () => {
    trust(certificate.cert);
    const challenge = `Bearer realm="${plain.origin}/token",service="s"`;
    secure.fault = () => ({ status: 401, headers: { 'www-authenticate': challenge } });
    await using client = secureClient();
    await assert.rejects(
      collect(client.fetchBlob('a/b', BLOB.descriptor)),
      engineError('REGISTRY_RESPONSE_INVALID', /realm.*from https to http/),
    );
    assert.equal(plain.requests.length, 0);
  });

  it('is not spoken to in plain http, and says so', async () => {
    const endpoint = new URL(`https://${plain.host}`);
    await using client = quickClient('registry.example', {}, { endpoint }).client;
    await assert.rejects(
      collect(client.fetchBlob('a/b', BLOB.descriptor)),
      engineError('REGISTRY_UNAVAILABLE', /TLS/),
    );
  });
});
