import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { parseManifestDocument } from '../../../src/core/oci/image-manifest.ts';
import {
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from '../../../src/core/oci/media-type.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage, buildIndex, jsonBytes } from '../../support/image-builder.ts';

const DIGEST = digestOf('x');
const LAYER = { mediaType: OCI_LAYER_GZIP, digest: DIGEST, size: 3 };
const MANIFEST = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: { mediaType: OCI_CONFIG, digest: DIGEST, size: 2 },
  layers: [LAYER],
};
const INDEX = {
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [{ mediaType: OCI_MANIFEST, digest: DIGEST, size: 1 }],
};

function parse(value: unknown, contentType?: string): ReturnType<typeof parseManifestDocument> {
  const bytes = typeof value === 'string' ? Buffer.from(value) : jsonBytes(value);
  return parseManifestDocument(bytes, contentType, 'manifest "x"');
}

/** The manifest as text with the size of its layer written as `size`. */
function withSize(size: string): string {
  return JSON.stringify(MANIFEST).replace('"size":3', `"size":${size}`);
}

describe('parseManifestDocument', () => {
  it('reads OCI and Docker manifests', () => {
    for (const mediaTypes of ['oci', 'docker'] as const) {
      const image = buildImage({ layers: [Buffer.from('a'), Buffer.from('b')], mediaTypes });
      const { bytes, descriptor } = image.manifest;
      const document = parseManifestDocument(bytes, descriptor.mediaType, 'manifest');
      assert.ok(document.kind === 'manifest');
      assert.deepEqual(document.manifest.config, image.config.descriptor);
      assert.deepEqual(
        document.manifest.layers,
        image.layers.map((layer) => layer.descriptor),
      );
    }
  });

  it('reads OCI and Docker indexes with their platforms', () => {
    for (const mediaTypes of ['oci', 'docker'] as const) {
      const built = buildIndex([buildImage({ mediaTypes })], { mediaTypes });
      const { bytes, descriptor } = built.index;
      const document = parseManifestDocument(bytes, descriptor.mediaType, 'index');
      assert.ok(document.kind === 'index');
      assert.deepEqual(document.index.manifests[0]?.platform, {
        os: 'linux',
        architecture: 'amd64',
      });
    }
  });

  const accepted: [
    name: string,
    value: unknown,
    contentType: string | undefined,
    mediaType: string,
  ][] = [
    ['no content type', MANIFEST, undefined, OCI_MANIFEST],
    ['parameters and case', MANIFEST, `${OCI_MANIFEST.toUpperCase()}; charset=utf-8`, OCI_MANIFEST],
    ['application/json as saying nothing', MANIFEST, 'application/json', OCI_MANIFEST],
    ['no media type inside', { ...MANIFEST, mediaType: undefined }, OCI_MANIFEST, OCI_MANIFEST],
    ['no media type at all', { ...MANIFEST, mediaType: undefined }, undefined, OCI_MANIFEST],
    [
      'no media type at all, with manifests',
      { ...INDEX, mediaType: undefined },
      'text/plain',
      OCI_INDEX,
    ],
    ['a manifest without layers', { ...MANIFEST, layers: [] }, OCI_MANIFEST, OCI_MANIFEST],
    ['layers that Go wrote as null', { ...MANIFEST, layers: null }, OCI_MANIFEST, OCI_MANIFEST],
    ['unknown fields', { ...MANIFEST, future: { size: -1 } }, OCI_MANIFEST, OCI_MANIFEST],
    [
      'a malformed subject, which is not followed',
      { ...MANIFEST, subject: { digest: 'x' } },
      OCI_MANIFEST,
      OCI_MANIFEST,
    ],
    ['the largest size', withSize('9007199254740991'), OCI_MANIFEST, OCI_MANIFEST],
  ];
  for (const [name, value, contentType, mediaType] of accepted) {
    it(`accepts ${name}`, () => assert.equal(parse(value, contentType).mediaType, mediaType));
  }

  const refused: [
    name: string,
    value: unknown,
    contentType: string | undefined,
    code: ErrorCode,
    message: RegExp,
  ][] = [
    [
      'manifests beside layers',
      { ...MANIFEST, manifests: [] },
      OCI_MANIFEST,
      'IMAGE_INVALID',
      /ambiguous/,
    ],
    [
      'config beside manifests',
      { ...INDEX, config: LAYER },
      OCI_INDEX,
      'IMAGE_INVALID',
      /ambiguous/,
    ],
    [
      'manifests that are null beside layers',
      { ...MANIFEST, manifests: null },
      undefined,
      'IMAGE_INVALID',
      /ambiguous/,
    ],
    [
      'another content type',
      MANIFEST,
      OCI_INDEX,
      'IMAGE_INVALID',
      /says that it is .*manifest.*came as .*index/,
    ],
    ['docker as oci', MANIFEST, DOCKER_MANIFEST, 'IMAGE_INVALID', /came as/],
    [
      'an index with the fields of a manifest',
      { ...MANIFEST, mediaType: OCI_INDEX },
      OCI_INDEX,
      'IMAGE_INVALID',
      /manifests/,
    ],
    [
      'a manifest with the fields of an index',
      { ...INDEX, mediaType: DOCKER_MANIFEST },
      DOCKER_MANIFEST,
      'IMAGE_INVALID',
      /config/,
    ],
    [
      'a web page',
      '<html>',
      'text/html; charset=utf-8',
      'REGISTRY_RESPONSE_INVALID',
      /answered text\/html/,
    ],
    ['a web page without saying so', '<html>', undefined, 'IMAGE_INVALID', /not a JSON/],
    [
      'schema 1 by version',
      { schemaVersion: 1 },
      undefined,
      'MEDIA_TYPE_UNSUPPORTED',
      /schema 1 images are not supported/,
    ],
    [
      'schema 1 by media type',
      { schemaVersion: 2 },
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      'MEDIA_TYPE_UNSUPPORTED',
      /schema 1/,
    ],
    [
      'schema 1 by its fields',
      { ...MANIFEST, fsLayers: [] },
      undefined,
      'MEDIA_TYPE_UNSUPPORTED',
      /schema 1/,
    ],
    [
      'another schema version',
      { ...MANIFEST, schemaVersion: 3 },
      undefined,
      'IMAGE_INVALID',
      /schemaVersion/,
    ],
    [
      'a schema version as text',
      { ...MANIFEST, schemaVersion: '2' },
      undefined,
      'IMAGE_INVALID',
      /schemaVersion/,
    ],
    [
      'an unknown media type',
      { schemaVersion: 2, mediaType: 'a/b' },
      undefined,
      'MEDIA_TYPE_UNSUPPORTED',
      /"a\/b"/,
    ],
    [
      'a media type that is no text',
      { ...MANIFEST, mediaType: 7 },
      undefined,
      'IMAGE_INVALID',
      /mediaType/,
    ],
    [
      'an artifact',
      { ...MANIFEST, config: { ...LAYER, mediaType: 'application/vnd.cncf.helm.config.v1+json' } },
      undefined,
      'MEDIA_TYPE_UNSUPPORTED',
      /not a runnable image/,
    ],
    [
      'a config of application/json',
      { ...MANIFEST, config: { ...LAYER, mediaType: 'application/json' } },
      undefined,
      'MEDIA_TYPE_UNSUPPORTED',
      /not a runnable image/,
    ],
    ['no config', { ...MANIFEST, config: undefined }, undefined, 'IMAGE_INVALID', /field config/],
    ['no layers', { ...MANIFEST, layers: undefined }, undefined, 'IMAGE_INVALID', /field layers/],
    [
      'layers that are an object',
      { ...MANIFEST, layers: {} },
      undefined,
      'IMAGE_INVALID',
      /field layers/,
    ],
    [
      'a layer that is text',
      { ...MANIFEST, layers: ['x'] },
      undefined,
      'IMAGE_INVALID',
      /layers\[0\]/,
    ],
    [
      'a layer that is null',
      { ...MANIFEST, layers: [LAYER, null] },
      undefined,
      'IMAGE_INVALID',
      /layers\[1\]/,
    ],
    [
      '20,000 layers',
      { ...MANIFEST, layers: Array(20_000).fill(LAYER) },
      undefined,
      'IMAGE_INVALID',
      /20000 layers; expected at most 1000/,
    ],
    ['a negative size', withSize('-1'), undefined, 'IMAGE_INVALID', /layers\[0\]\.size/],
    ['a size of -0', withSize('-0'), undefined, 'IMAGE_INVALID', /"-0" in field layers\[0\]\.size/],
    ['a fraction', withSize('1.5'), undefined, 'IMAGE_INVALID', /"1\.5" in field/],
    ['an exponent', withSize('1e3'), undefined, 'IMAGE_INVALID', /"1e3" in field/],
    ['a size as text', withSize('"3"'), undefined, 'IMAGE_INVALID', /size/],
    ['a size of 2^53', withSize('9007199254740992'), undefined, 'IMAGE_INVALID', /size/],
    ['a size that rounds', withSize('9007199254740993'), undefined, 'IMAGE_INVALID', /size/],
    ['an infinite size', withSize('1e400'), undefined, 'IMAGE_INVALID', /size/],
    ['a size of null', withSize('null'), undefined, 'IMAGE_INVALID', /null in field/],
    [
      'no size',
      { ...MANIFEST, layers: [{ ...LAYER, size: undefined }] },
      undefined,
      'IMAGE_INVALID',
      /nothing in field layers\[0\]\.size/,
    ],
    [
      'an upper-case digest',
      { ...MANIFEST, layers: [{ ...LAYER, digest: DIGEST.toUpperCase() }] },
      undefined,
      'DIGEST_INVALID',
      /layers\[0\]\.digest/,
    ],
    [
      'a digest that climbs',
      { ...INDEX, manifests: [{ ...LAYER, digest: 'sha256:../../x' }] },
      undefined,
      'DIGEST_INVALID',
      /manifests\[0\]\.digest/,
    ],
    [
      'a digest of an unknown algorithm',
      { ...MANIFEST, config: { ...MANIFEST.config, digest: `blake3:${'a'.repeat(64)}` } },
      undefined,
      'DIGEST_INVALID',
      /config\.digest/,
    ],
    [
      'a digest that is an object',
      { ...MANIFEST, layers: [{ ...LAYER, digest: {} }] },
      undefined,
      'DIGEST_INVALID',
      /object/,
    ],
    [
      'annotations that are no text',
      { ...MANIFEST, annotations: { a: 1 } },
      undefined,
      'IMAGE_INVALID',
      /annotations\["a"\]/,
    ],
    [
      'a platform that is text',
      { ...INDEX, manifests: [{ ...LAYER, platform: 'linux' }] },
      undefined,
      'IMAGE_INVALID',
      /platform/,
    ],
    ['an array', [], undefined, 'IMAGE_INVALID', /an array/],
    ['null', null, undefined, 'IMAGE_INVALID', /null/],
    ['nothing', '', undefined, 'IMAGE_INVALID', /not a JSON/],
    ['gzip bytes', gzipSync('{}').toString('latin1'), undefined, 'IMAGE_INVALID', /not a JSON/],
    [
      'JSON that is nested too deep',
      `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
      undefined,
      'IMAGE_INVALID',
      /JSON/,
    ],
    [
      'control characters in its error',
      { ...MANIFEST, mediaType: '\x1b]0;x\x07\u202e' },
      undefined,
      'MEDIA_TYPE_UNSUPPORTED',
      /\\x1b/,
    ],
    [
      '4 MiB and one byte',
      `{${' '.repeat(4 * 1024 * 1024)}`,
      undefined,
      'IMAGE_INVALID',
      /at most 4194304/,
    ],
  ];
  for (const [name, value, contentType, code, message] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parse(value, contentType), engineError(code, message));
    });
  }

  it('ignores embedded data and urls', () => {
    const layer = { ...LAYER, data: 'AAAA', urls: ['https://attacker.example/'] };
    const document = parse({ ...MANIFEST, layers: [layer] });
    assert.ok(document.kind === 'manifest');
    assert.deepEqual(document.manifest.layers, [LAYER]);
  });

  it('keeps a key such as __proto__ as data', () => {
    const text = JSON.stringify({ ...MANIFEST, annotations: { a: 'b' } }).replace(
      '"a"',
      '"__proto__"',
    );
    const document = parse(text);
    assert.ok(document.kind === 'manifest');
    assert.deepEqual(Object.entries(document.manifest.annotations ?? {}), [['__proto__', 'b']]);
    assert.equal(Object.getPrototypeOf({}), Object.prototype);
  });

  it('throws nothing but its own errors, whatever field is replaced by whatever', () => {
    const keys = fc.constantFrom(
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'manifests',
      'annotations',
    );
    fc.assert(
      fc.property(fc.dictionary(keys, fc.jsonValue()), fc.boolean(), (fields, isIndex) => {
        try {
          parse({ ...(isIndex ? INDEX : MANIFEST), ...fields });
        } catch (error) {
          assert.match(
            String(Reflect.get(Object(error), 'code')),
            /^(IMAGE_INVALID|DIGEST_INVALID|MEDIA_TYPE_UNSUPPORTED)$/,
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});
