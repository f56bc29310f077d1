import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { EngineSettings } from '../../../src/core/operations/engine.ts';
import { inspectRemoteImage, listRemoteTags } from '../../../src/core/operations/remote-image.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage, buildIndex } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { tempEngine } from '../../support/temp-engine.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const layers = [tarOf([{ name: 'hello', content: 'hello\n' }])];
const amd = buildImage({ layers, config: { Cmd: ['/hello'] } });
const arm = buildImage({ layers, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } });
const index = buildIndex([amd, arm]);

/** Settings of a store that is not there, and must not be afterwards. */
async function withSettings(
  work: (settings: EngineSettings, registry: TestRegistry) => Promise<void>,
): Promise<void> {
  await using registry = await TestRegistry.start();
  using temp = tempEngine();
  const dataDir = join(temp.directory, 'not-made');
  await work({ ...temp.engine.settings, dataDir }, registry);
  assert.equal(existsSync(dataDir), false, 'a store was made');
}

const parsed = (bytes: Buffer): unknown => JSON.parse(bytes.toString('utf8'));

describe('an image that is only looked at', () => {
  it('is told with manifest and config, and no layer is asked for', () =>
    withSettings(async (settings, registry) => {
      const reference = registry.addImage('app', 'v1', amd);
      const found = await inspectRemoteImage(settings, reference);
      const size = amd.manifest.bytes.length + amd.config.bytes.length;
      assert.deepEqual(found, {
        imageId: amd.imageId,
        reference,
        digest: amd.manifest.descriptor.digest,
        manifestDigest: amd.manifest.descriptor.digest,
        mediaType: amd.manifest.descriptor.mediaType,
        platform: 'linux/amd64',
        sizeBytes: size + (amd.layers[0]?.bytes.length ?? 0),
        index: undefined,
        manifest: parsed(amd.manifest.bytes),
        config: parsed(amd.config.bytes),
      });
      assert.equal(registry.requestsFor('/blobs/').length, 1);
    }));

  it('is the one for the platform that is asked for, with its index', () =>
    withSettings(async (settings, registry) => {
      const reference = registry.addIndex('app', 'v1', index);
      const platform = { os: 'linux', architecture: 'arm64' };
      const found = await inspectRemoteImage(settings, reference, { platform });
      assert.equal(found.imageId, arm.imageId);
      assert.equal(found.platform, 'linux/arm64/v8');
      assert.equal(found.digest, index.index.descriptor.digest);
      assert.equal(found.manifestDigest, arm.manifest.descriptor.digest);
      assert.deepEqual(found.index, parsed(index.index.bytes));
      const missing = { os: 'linux', architecture: 's390x' };
      await assert.rejects(
        inspectRemoteImage(settings, reference, { platform: missing }),
        engineError('PLATFORM_NOT_FOUND'),
      );
    }));

  it('is verified', () =>
    withSettings(async (settings, registry) => {
      const reference = registry.addImage('app', 'v1', amd);
      registry.fault = ({ path }) => (path.includes('/blobs/') ? { flipByteAt: 3 } : undefined);
      await assert.rejects(inspectRemoteImage(settings, reference), engineError('DIGEST_MISMATCH'));
      registry.fault = undefined;
      await inspectRemoteImage(settings, reference);
    }));

  it('may not be there', () =>
    withSettings(async (settings, registry) => {
      await assert.rejects(
        inspectRemoteImage(settings, `${registry.host}/nothing`),
        engineError('REGISTRY_NOT_FOUND'),
      );
    }));
});

describe('the tags of a repository at its registry', () => {
  it('are listed without a store', () =>
    withSettings(async (settings, registry) => {
      for (const tag of ['v2', 'latest', 'v10']) registry.uploads.addTag('team/app', tag);
      assert.deepEqual(await listRemoteTags(settings, `${registry.host}/team/app`), {
        repository: `${registry.host}/team/app`,
        tags: ['latest', 'v10', 'v2'],
      });
    }));

  for (const suffix of [':v1', `@${amd.imageId}`]) {
    it(`are not those of ${suffix.slice(0, 8)}`, () =>
      withSettings(async (settings, registry) => {
        await assert.rejects(
          listRemoteTags(settings, `${registry.host}/team/app${suffix}`),
          engineError('REFERENCE_INVALID', /expected a repository/),
        );
        assert.equal(registry.requests.length, 0);
      }));
  }
});
