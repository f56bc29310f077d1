import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { DigestVerifier } from '../../../src/core/oci/digest-verifier.ts';
import { pairLayers, parseImageConfig } from '../../../src/core/oci/image-config.ts';
import { parseManifestDocument } from '../../../src/core/oci/image-manifest.ts';
import { DOCKER_MANIFEST, OCI_MANIFEST } from '../../../src/core/oci/media-type.ts';
import { DockerRegistry, pushWithSkopeo } from '../../support/docker-registry.ts';
import { engineError } from '../../support/engine-errors.ts';
import { type BuiltImage, buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { collect, quickClient } from '../../support/registry-clients.ts';
import { tarOf } from '../../support/tar-builder.ts';

const FORMATS = [
  { format: 'oci', mediaType: OCI_MANIFEST },
  { format: 'v2s2', mediaType: DOCKER_MANIFEST },
] as const;

describe('against the docker-registry of Debian', () => {
  let directory: string;
  let registry: DockerRegistry;
  let image: BuiltImage;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dray-layout-'));
    const layer = (name: string): Buffer =>
      tarOf([{ name, content: Buffer.alloc(300_000, name) }], { endBlocks: true });
    image = buildImage({ layers: [layer('one'), layer('two')], config: { Cmd: ['/bin/true'] } });
    writeLayout(directory, [{ image, refName: 'latest' }]);
    registry = await DockerRegistry.start();
    for (const { format } of FORMATS) {
      const target = { registry, name: `team/${format}:v1` };
      await pushWithSkopeo({ layoutDir: directory, tag: 'latest' }, target, { format });
    }
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  for (const { format, mediaType } of FORMATS) {
    it(`fetches an image that skopeo pushed as ${format}, every byte verified`, async () => {
      await using client = quickClient(registry.host).client;
      const repository = `team/${format}`;
      const head = await client.headManifest(repository, 'v1');
      const fetched = await client.fetchManifest(repository, 'v1');
      assert.deepEqual(head, { mediaType, digest: fetched.digest, size: fetched.bytes.length });
      assert.deepEqual(await client.fetchManifest(repository, fetched.digest), fetched);
      const document = parseManifestDocument(fetched.bytes, fetched.mediaType, 'manifest');
      assert.ok(document.kind === 'manifest' && document.mediaType === mediaType);
      const { manifest } = document;
      const config = parseImageConfig(
        await client.fetchSmallBlob(repository, manifest.config, 1_000_000),
        'config',
      );
      const layers = pairLayers(manifest, config, 'image');
      assert.deepEqual(
        layers.map(({ diffId }) => diffId),
        image.diffIds,
      );
      for (const { descriptor } of layers) {
        const verifier = new DigestVerifier(descriptor, 'layer');
        for await (const chunk of client.fetchBlob(repository, descriptor)) verifier.update(chunk);
        verifier.end();
      }
    });
  }

  it('goes on with a layer from an offset', async () => {
    await using client = quickClient(registry.host).client;
    const [layer] = image.layers;
    assert.ok(layer !== undefined);
    const rest = await collect(client.fetchBlob('team/oci', layer.descriptor, { offset: 100 }));
    assert.deepEqual(rest, layer.bytes.subarray(100));
  });

  it('says what is not there in the words of the registry', async () => {
    await using client = quickClient(registry.host).client;
    await assert.rejects(
      client.fetchManifest('team/oci', 'v2'),
      engineError('REGISTRY_NOT_FOUND', /MANIFEST_UNKNOWN/),
    );
    await assert.rejects(
      client.fetchManifest('nobody/nothing', 'latest'),
      engineError('REGISTRY_NOT_FOUND', /UNKNOWN/),
    );
    const missing = { mediaType: 'x', digest: digestOf('missing'), size: 7 };
    await assert.rejects(
      collect(client.fetchBlob('team/oci', missing)),
      engineError('REGISTRY_NOT_FOUND', /BLOB_UNKNOWN/),
    );
  });
});
