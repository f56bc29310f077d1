import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { parseManifestDocument } from '../../../src/core/oci/image-manifest.ts';
import { OCI_MANIFEST } from '../../../src/core/oci/media-type.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage, buildIndex } from '../../support/image-builder.ts';
import { quickClient } from '../../support/registry-clients.ts';
import { type Fault, TestRegistry } from '../../support/test-registry.ts';

const IMAGE = buildImage({ layers: [Buffer.from('layer')] });
const { bytes: BYTES, descriptor: MANIFEST } = IMAGE.manifest;
const MIB = 1024 * 1024;

describe('fetchManifest', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start();
    registry.addImage('a/b', 'latest', IMAGE);
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  async function fetchManifest(
    name = 'latest',
  ): ReturnType<ReturnType<typeof quickClient>['client']['fetchManifest']> {
    await using client = quickClient(registry.host).client;
    return await client.fetchManifest('a/b', name);
  }

  it('gives a manifest by tag and by digest, and asks for both specifications', async () => {
    for (const name of ['latest', MANIFEST.digest]) {
      assert.deepEqual(await fetchManifest(name), {
        bytes: BYTES,
        mediaType: OCI_MANIFEST,
        digest: MANIFEST.digest,
      });
    }
    const { accept, 'user-agent': agent } = registry.requests[0]?.headers ?? {};
    assert.match(
      String(accept),
      /oci\.image\.index.*oci\.image\.manifest.*manifest\.list\.v2.*manifest\.v2/,
    );
    assert.equal(agent, 'dray-test');
  });

  it('gives an index', async () => {
    registry.addIndex('a/b', 'multi', buildIndex([IMAGE]));
    const { bytes, mediaType } = await fetchManifest('multi');
    assert.equal(parseManifestDocument(bytes, mediaType, 'index').kind, 'index');
  });

  const accepted: [name: string, fault: Fault, mediaType: string][] = [
    ['without a digest header', { headers: { 'docker-content-digest': undefined } }, OCI_MANIFEST],
    [
      'with a sha512 digest header',
      { headers: { 'docker-content-digest': digestOf(BYTES, 'sha512') } },
      OCI_MANIFEST,
    ],
    [
      'with parameters in its content type',
      { headers: { 'content-type': `${OCI_MANIFEST.toUpperCase()};charset=utf-8` } },
      OCI_MANIFEST,
    ],
    ['without a content type', { headers: { 'content-type': undefined } }, ''],
    ['in gzip', { body: gzipSync(BYTES), headers: { 'content-encoding': 'gzip' } }, OCI_MANIFEST],
    [
      'without a length',
      { headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' } },
      OCI_MANIFEST,
    ],
  ];
  for (const [name, fault, mediaType] of accepted) {
    it(`accepts a manifest ${name}`, async () => {
      registry.fault = () => fault;
      const fetched = await fetchManifest();
      assert.deepEqual(fetched.bytes, BYTES);
      assert.equal(fetched.mediaType, mediaType);
    });
  }

  const refused: [name: string, fault: Fault, code: ErrorCode, message: RegExp][] = [
    [
      'whose bytes were changed',
      { flipByteAt: 3 },
      'DIGEST_MISMATCH',
      /expected "sha256:.*found "sha256:/,
    ],
    [
      'with the digest of something else',
      { headers: { 'docker-content-digest': digestOf('x') } },
      'DIGEST_MISMATCH',
      new RegExp(digestOf('x')),
    ],
    [
      'with a digest that climbs',
      { headers: { 'docker-content-digest': 'sha256:../../x' } },
      'DIGEST_INVALID',
      /Docker-Content-Digest/,
    ],
    [
      'with an upper-case digest',
      { headers: { 'docker-content-digest': MANIFEST.digest.toUpperCase() } },
      'DIGEST_INVALID',
      /Docker-Content-Digest/,
    ],
    [
      'with a digest of an unknown algorithm',
      { headers: { 'docker-content-digest': 'md5:00' } },
      'DIGEST_INVALID',
      /md5/,
    ],
    [
      'of 4 MiB and one byte',
      { body: Buffer.alloc(4 * MIB + 1, ' ') },
      'REGISTRY_RESPONSE_INVALID',
      /larger than 4194304/,
    ],
    ['that never ends', { endless: true }, 'REGISTRY_RESPONSE_INVALID', /larger than 4194304/],
    [
      'that claims a gigabyte',
      { headers: { 'content-length': String(2 ** 30) } },
      'REGISTRY_RESPONSE_INVALID',
      /larger than/,
    ],
    [
      'that is a gzip bomb',
      { body: gzipSync(Buffer.alloc(100 * MIB)), headers: { 'content-encoding': 'gzip' } },
      'REGISTRY_RESPONSE_INVALID',
      /larger than/,
    ],
    [
      'that claims to be gzip',
      { headers: { 'content-encoding': 'gzip' } },
      'REGISTRY_RESPONSE_INVALID',
      /cannot be decoded/,
    ],
    [
      'in an encoding nobody asked for',
      { headers: { 'content-encoding': 'br' } },
      'REGISTRY_RESPONSE_INVALID',
      /"br"/,
    ],
  ];
  for (const [name, fault, code, message] of refused) {
    it(`refuses a manifest ${name}`, async () => {
      registry.fault = () => fault;
      await assert.rejects(fetchManifest(), engineError(code, message));
      assert.equal(registry.requests.length, 1);
    });
  }

  it('refuses other bytes than those of the digest that was asked for, whatever the header says', async () => {
    const other = buildImage({ config: { User: 'evil' } }).manifest;
    const headers = { 'docker-content-digest': other.descriptor.digest };
    registry.fault = () => ({ body: other.bytes, headers });
    await assert.rejects(
      fetchManifest(MANIFEST.digest),
      engineError('DIGEST_MISMATCH', new RegExp(`expected "${MANIFEST.digest}"`)),
    );
  });

  it('hands a web page on as what it is', async () => {
    registry.fault = () => ({
      body: '<html>Please log in</html>',
      headers: { 'content-type': 'text/html', 'docker-content-digest': undefined },
    });
    const { bytes, mediaType } = await fetchManifest();
    assert.throws(
      () => parseManifestDocument(bytes, mediaType, 'manifest'),
      engineError('REGISTRY_RESPONSE_INVALID', /answered text\/html/),
    );
  });
});

describe('headManifest', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start({ auth: 'token' });
    registry.addImage('a/b', 'latest', IMAGE);
  });
  afterEach(() => registry[Symbol.asyncDispose]());

  async function headManifest(name = 'latest'): Promise<unknown> {
    await using client = quickClient(registry.host).client;
    return await client.headManifest('a/b', name);
  }

  /** Applies to everything but tokens. */
  function faultManifest(fault: Fault): void {
    registry.fault = ({ path, headers }) =>
      path.startsWith('/v2/') && headers.authorization !== undefined ? fault : undefined;
  }

  it('gives the descriptor', async () => {
    assert.deepEqual(await headManifest(), MANIFEST);
    assert.equal(registry.requests.at(-1)?.method, 'HEAD');
  });

  const unknown: [name: string, fault: Fault][] = [
    ['has no digest header', { headers: { 'docker-content-digest': undefined } }],
    ['has no length', { headers: { 'content-length': undefined } }],
    ['knows no HEAD', { status: 405 }],
  ];
  for (const [name, fault] of unknown) {
    it(`gives nothing when the registry ${name}`, async () => {
      faultManifest(fault);
      assert.equal(await headManifest(), undefined);
    });
  }

  const refused: [name: string, fault: Fault, asked: string, code: ErrorCode][] = [
    ['a tag that is not there', {}, 'missing', 'REGISTRY_NOT_FOUND'],
    [
      'another digest than the one asked for',
      { headers: { 'docker-content-digest': digestOf('x') } },
      MANIFEST.digest,
      'DIGEST_MISMATCH',
    ],
    [
      'a malformed digest',
      { headers: { 'docker-content-digest': 'x' } },
      'latest',
      'DIGEST_INVALID',
    ],
  ];
  for (const [name, fault, asked, code] of refused) {
    it(`refuses ${name}`, async () => {
      faultManifest(fault);
      await assert.rejects(headManifest(asked), engineError(code));
    });
  }
});
