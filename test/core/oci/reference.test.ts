import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../../src/core/errors.ts';
import { type Digest, parseDigest } from '../../../src/core/oci/digest.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
} from '../../../src/core/oci/reference.ts';
import { engineError } from '../../support/engine-errors.ts';

const HEX = 'a3'.repeat(32);
const SHA256 = `sha256:${HEX}`;
const SHA512 = `sha512:${'b4'.repeat(64)}`;

describe('parseReference', () => {
  const accepted: [input: string, canonical: string][] = [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['docker://busybox', 'docker.io/library/busybox:latest'],
    ['grafana/grafana', 'docker.io/grafana/grafana:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['docker.io/library/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['ab/c', 'docker.io/ab/c:latest'],
    ['a.b/c', 'a.b/c:latest'],
    ['localhost/x', 'localhost/x:latest'],
    ['localhost:5000/x', 'localhost:5000/x:latest'],
    ['host:1/x', 'host:1/x:latest'],
    ['host:65535/x', 'host:65535/x:latest'],
    ['127.0.0.1:5000/a/b/c:v1', '127.0.0.1:5000/a/b/c:v1'],
    ['[::1]:5000/x', '[::1]:5000/x:latest'],
    ['[::1]/x:t', '[::1]/x:t'],
    ['Registry.Example/x', 'registry.example/x:latest'],
    ['a__b/c--d', 'docker.io/a__b/c--d:latest'],
    ['x:_', 'docker.io/library/x:_'],
    ['sha256', 'docker.io/library/sha256:latest'],
    ['sha256:v1', 'docker.io/library/sha256:v1'],
    ['library/sha256:abc', 'docker.io/library/sha256:abc'],
    ['docker://sha256:abc', 'docker.io/library/sha256:abc'],
    [`x:${'t'.repeat(128)}`, `docker.io/library/x:${'t'.repeat(128)}`],
    [`x@${SHA256}`, `docker.io/library/x@${SHA256}`],
    [`x@${SHA512}`, `docker.io/library/x@${SHA512}`],
    [`a.b:5/x:t@${SHA256}`, `a.b:5/x:t@${SHA256}`],
    [`docker.io/library/${HEX}`, `docker.io/library/${HEX}:latest`],
    [`a.b/${'r'.repeat(251)}`, `a.b/${'r'.repeat(251)}:latest`],
  ];
  for (const [input, canonical] of accepted) {
    it(`reads ${input.slice(0, 60)}`, () => {
      const reference = parseReference(input);
      assert.equal(formatReference(reference), canonical);
      assert.deepEqual(parseReference(canonical), reference);
      assert.deepEqual(parseReference(familiarReference(reference)), reference);
    });
  }

  it('gives no tag to a reference with a digest, and keeps both when both are there', () => {
    assert.equal(parseReference(`x@${SHA256}`).tag, undefined);
    const both = parseReference(`x:1@${SHA256}`);
    assert.deepEqual([both.tag, both.digest], ['1', SHA256]);
  });

  const refused: [name: string, input: string, message: RegExp][] = [
    ['a tag that climbs', 'name:../../etc/x', /reference/],
    ['a tag with a slash', 'name:a/b', /reference/],
    ['a tag of dots', 'name:..', /invalid tag/],
    ['an encoded tag', 'name:%2e%2e', /invalid tag/],
    ['a backslash', 'name:a\\b', /invalid tag/],
    ['a NUL in the tag', 'name:a\0b', /invalid tag/],
    ['a NUL in the name', 'na\0me', /repository name/],
    ['a newline', 'x:t\n', /invalid tag/],
    ['escape characters', 'x\x1b[2J\u202e', /\\x1b.*\\u202e/],
    ['a tag of 129 characters', `x:${'t'.repeat(129)}`, /1 to 128/],
    ['an empty tag', 'x:', /invalid tag/],
    ['upper case in the repository', 'Foo/bar', /must be lowercase/],
    ['an upper-case name', 'Busybox', /must be lowercase/],
    ['upper case behind a registry', 'a.b/Foo', /must be lowercase/],
    ['two slashes', 'a//b', /repository name/],
    ['a component that starts with a dot', 'a/.b', /repository name/],
    ['three underscores', 'a___b', /repository name/],
    ['a leading dash', '-a', /repository name/],
    ['a trailing slash', 'a/', /repository name/],
    ['only a registry', 'a.b/', /repository name/],
    ['a climbing path', 'a.b/../x', /repository name/],
    ['nothing', '', /repository name/],
    ['only a slash', '/', /repository name/],
    ['a name of 256 characters', `a.b/${'r'.repeat(252)}`, /255/],
    ['a port above 65535', 'host:99999/x', /invalid port/],
    ['a negative port', 'host:-1/x', /invalid port/],
    ['port 0', 'host:0/x', /invalid port/],
    ['no port after the colon', 'host:/x', /invalid port/],
    ['an URL', 'https://host/x', /has a scheme/],
    ['an URL of a host with a dot', 'http://a.b/x', /has a scheme/],
    ['an URL behind docker://', 'docker://http://a.b/x', /has a scheme/],
    ['an open bracket', '[::1/x', /place of a registry/],
    ['a host with an underscore', 'a_b.c/x', /place of a registry/],
    ['a host of dots', '../x', /place of a registry/],
    ['an image id', HEX, /image id/],
    ['a lone digest', SHA256, /image id/],
    ['the beginning of an image id', 'sha256:abc', /image id/],
    ['the beginning of a long image id', `sha512:${'0'.repeat(128)}`, /image id/],
    ['a digest in upper case', `x@sha256:${HEX.toUpperCase()}`, /no digest/],
    ['63 hex digits', `x@sha256:${HEX.slice(1)}`, /no digest/],
    ['65 hex digits', `x@sha256:${HEX}a`, /no digest/],
    ['an empty digest', 'x@sha256:', /no digest/],
    ['a digest that climbs', 'x@sha256:../../x', /no digest/],
    ['an upper-case algorithm', `x@SHA256:${HEX}`, /no digest/],
    ['md5', `x@md5:${HEX.slice(32)}`, /no digest/],
    ['blake3', `x@blake3:${HEX}`, /no digest/],
    ['multihash', `x@multihash+base58:${HEX}`, /no digest/],
    ['two digests', `x@${SHA256}@${SHA256}`, /no digest/],
  ];
  for (const [name, input, message] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parseReference(input), engineError('REFERENCE_INVALID', message));
    });
  }

  for (const input of ['user:hunter2@host/x', 'user:hunter2@host:5000/x:t', 'u:hunter2/y@host/x']) {
    it(`refuses and does not repeat the password of ${input.replace('hunter2', '…')}`, () => {
      assert.throws(
        () => parseReference(input),
        (error) => {
          engineError('REFERENCE_INVALID')(error);
          assert.ok(error instanceof EngineError);
          assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter2/);
          return true;
        },
      );
    });
  }

  const floods: [name: string, input: string][] = [
    ['100 kB of a', 'a'.repeat(100_000)],
    ['100 kB of dashes', `a${'-'.repeat(100_000)}`],
    ['100 kB of a/', 'a/'.repeat(50_000)],
    ['100 kB of a.', `${'a.'.repeat(50_000)}/x`],
    ['255 characters of a-', `${'a-'.repeat(127)}!`],
    ['a tag of 100 kB', `x:${'t'.repeat(100_000)}`],
  ];
  for (const [name, input] of floods) {
    it(`refuses ${name} at once, in one short line`, () => {
      const started = performance.now();
      assert.throws(() => parseReference(input), engineError('REFERENCE_INVALID'));
      assert.ok(performance.now() - started < 50);
    });
  }
});

describe('familiarReference', () => {
  const rows: [canonical: string, familiar: string][] = [
    ['docker.io/library/busybox:latest', 'busybox:latest'],
    ['docker.io/a/b:1', 'a/b:1'],
    ['quay.io/library/x:1', 'quay.io/library/x:1'],
    ['docker.io/library/a/b:1', 'library/a/b:1'],
    ['docker.io/localhost/x:1', 'docker.io/localhost/x:1'],
    ['docker.io/a.b/c:1', 'docker.io/a.b/c:1'],
    [`docker.io/library/${HEX}:1`, `library/${HEX}:1`],
  ];
  for (const [canonical, familiar] of rows) {
    it(`writes ${canonical.slice(0, 40)} as ${familiar.slice(0, 40)}`, () => {
      assert.equal(familiarReference(parseReference(canonical)), familiar);
      assert.deepEqual(
        parseReference(familiarReference(parseReference(canonical))),
        parseReference(canonical),
      );
    });
  }
});

const alnum = fc.stringMatching(/^[a-z0-9]{1,6}$/);
const component = fc
  .array(fc.tuple(alnum, fc.constantFrom('.', '_', '__', '-', '---')), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) =>
    parts.map(([text, separator], at) => (at === 0 ? text : separator + text)).join(''),
  );
const registry = fc.oneof(
  fc.constantFrom('docker.io', 'localhost', '127.0.0.1:5000', '[::1]:5000', '[fe80::1]'),
  fc
    .tuple(alnum, alnum, fc.option(fc.integer({ min: 1, max: 65535 })))
    .map(([a, b, port]) => `${a}.${b}${port === null ? '' : `:${port}`}`),
);
const digest: fc.Arbitrary<Digest> = fc
  .stringMatching(/^[0-9a-f]{64}$/)
  .map((hex) => parseDigest(`sha256:${hex}`, 'test'));
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
const reference: fc.Arbitrary<Reference> = fc
  .tuple(
    registry,
    fc.array(component, { minLength: 1, maxLength: 4 }),
    fc.oneof(fc.record({ tag }), fc.record({ digest }), fc.record({ tag, digest })),
  )
  .map(([host, components, rest]) => ({
    registry: host,
    repository:
      host === 'docker.io' && components.length === 1
        ? `library/${components[0]}`
        : components.join('/'),
    ...rest,
  }));

describe('properties of references', () => {
  it('reads back what it wrote, canonical or familiar', () => {
    fc.assert(
      fc.property(reference, (original) => {
        assert.deepEqual(parseReference(formatReference(original)), original);
        assert.deepEqual(parseReference(familiarReference(original)), original);
      }),
      { numRuns: 500 },
    );
  });

  it('gives a reference or REFERENCE_INVALID for any string', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc
        .array(fc.constantFrom('a', 'A', '.', '/', ':', '@', '-', '_', '[', ']', '5', SHA256), {
          maxLength: 30,
        })
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(anything, (input) => {
        try {
          const parsed = parseReference(input);
          assert.deepEqual(parseReference(formatReference(parsed)), parsed);
          assert.ok(parsed.tag !== undefined || parsed.digest !== undefined);
        } catch (error) {
          engineError('REFERENCE_INVALID')(error);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
