import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  bareMediaType,
  DOCKER_INDEX,
  DOCKER_LAYER_GZIP,
  layerCompression,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
} from '../../../src/core/oci/media-type.ts';
import { engineError } from '../../support/engine-errors.ts';

describe('layerCompression', () => {
  it('knows the layers of both specifications', () => {
    assert.deepEqual(
      [OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, DOCKER_LAYER_GZIP].map((type) =>
        layerCompression(type),
      ),
      ['none', 'gzip', 'zstd', 'gzip'],
    );
  });
  const refused: [mediaType: string, message: RegExp][] = [
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', /outside of the registry/],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', /outside of the registry/],
    ['application/vnd.oci.image.layer.v1.tar+invalid', /\+invalid/],
    ['application/vnd.oci.image.layer.v1.tar+gzip+encrypted', /encrypted/],
    [DOCKER_INDEX, /expected a tar layer/],
    ['', /""/],
  ];
  for (const [mediaType, message] of refused) {
    it(`refuses ${mediaType || 'nothing'}`, () => {
      assert.throws(
        () => layerCompression(mediaType, 'layer 1/2'),
        engineError('MEDIA_TYPE_UNSUPPORTED', message),
      );
    });
  }
});

describe('bareMediaType', () => {
  it('drops parameters and case', () => {
    assert.equal(bareMediaType(' Text/HTML ; charset="x;y"'), 'text/html');
    assert.equal(bareMediaType(''), '');
  });
});
