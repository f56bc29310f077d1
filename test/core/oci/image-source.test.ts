import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ImageSource, parseImageSource } from '../../../src/core/oci/image-source.ts';
import { parseReference } from '../../../src/core/oci/reference.ts';
import { engineError } from '../../support/engine-errors.ts';

describe('parseImageSource', () => {
  const rows: [input: string, source: ImageSource][] = [
    ['busybox', { kind: 'registry', reference: parseReference('busybox') }],
    [
      'docker://oci:1.0',
      { kind: 'registry', reference: parseReference('docker.io/library/oci:1.0') },
    ],
    ['ocify:1', { kind: 'registry', reference: parseReference('ocify:1') }],
    ['oci:/a/layout', { kind: 'oci-layout', path: '/a/layout' }],
    ['oci:layout:latest', { kind: 'oci-layout', path: 'layout', tag: 'latest' }],
    [
      'oci:layout:docker.io/library/x:1',
      { kind: 'oci-layout', path: 'layout', tag: 'docker.io/library/x:1' },
    ],
    ['oci-archive:./x.tar:v1', { kind: 'oci-archive', path: './x.tar', tag: 'v1' }],
    ['docker-archive:x.tar', { kind: 'docker-archive', path: 'x.tar' }],
    [
      'docker-archive:x.tar:busybox:1.36',
      { kind: 'docker-archive', path: 'x.tar', tag: 'busybox:1.36' },
    ],
  ];
  for (const [input, source] of rows) {
    it(`reads ${input}`, () => assert.deepEqual(parseImageSource(input), source));
  }

  const refused: [name: string, input: string][] = [
    ['no path', 'oci:'],
    ['no path before a tag', 'oci-archive::v1'],
    ['an empty tag', 'oci:layout:'],
    ['a NUL in the path', 'oci:a\0b'],
    ['a control character in the tag', 'docker-archive:x.tar:a\nb'],
    ['a path of 5000 characters', `oci:${'p'.repeat(5000)}`],
    ['a bad reference', 'Upper/case'],
  ];
  for (const [name, input] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parseImageSource(input), engineError('REFERENCE_INVALID'));
    });
  }
});
