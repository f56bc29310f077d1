import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { DOCKER_MANIFEST, OCI_MANIFEST } from '../../../src/core/oci/media-type.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { pushImage } from '../../../src/core/operations/push-image.ts';
import { inspectRemoteImage, listRemoteTags } from '../../../src/core/operations/remote-image.ts';
import { contentOf } from '../../../src/core/registry/upload-content.ts';
import { DockerRegistry, pushWithSkopeo } from '../../support/docker-registry.ts';
import { type BuiltImage, buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { quickClient } from '../../support/registry-clients.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';

const run = promisify(execFile);
const BASE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const FORMATS = [
  { format: 'oci', mediaType: OCI_MANIFEST },
  { format: 'v2s2', mediaType: DOCKER_MANIFEST },
] as const;

describe('what dray pushes to a docker-registry', () => {
  let directory: string;
  let origin: DockerRegistry;
  let target: DockerRegistry;
  let temp: TempEngine;
  let image: BuiltImage;

  before(async () => {
    directory = mkdtempSync(join(BASE, 'dray-push-'));
    const layer = (name: string): Buffer =>
      tarOf([{ name, content: Buffer.alloc(200_000, name) }], { endBlocks: true });
    image = buildImage({ layers: [layer('one'), layer('two')], config: { Cmd: ['/one'] } });
    const layoutDir = join(directory, 'layout');
    mkdirSync(layoutDir);
    writeLayout(layoutDir, [{ image, refName: 'latest' }]);
    [origin, target] = await Promise.all([DockerRegistry.start(BASE), DockerRegistry.start(BASE)]);
    temp = tempEngine();
    for (const { format } of FORMATS) {
      const name = `team/${format}:v1`;
      await pushWithSkopeo({ layoutDir, tag: 'latest' }, { registry: origin, name }, { format });
      await fetchImage(temp.engine, `${origin.host}/${name}`, { pullPolicy: 'update' });
    }
  });
  after(async () => {
    temp[Symbol.dispose]();
    await origin[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  async function skopeoDigest(reference: string): Promise<string> {
    const argv = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}'];
    return (await run('skopeo', [...argv, `docker://${reference}`])).stdout.trim();
  }

  for (const { format, mediaType } of FORMATS) {
    it(`has the digests that it had where it came from: ${format}`, async () => {
      const source = `${origin.host}/team/${format}:v1`;
      const destination = `${target.host}/copy/${format}:v2`;
      const pushed = await pushImage(temp.engine, source, { destination });
      assert.equal(pushed.manifest.mediaType, mediaType);
      assert.equal(await skopeoDigest(destination), await skopeoDigest(source));
      assert.equal(await skopeoDigest(destination), pushed.manifest.digest);
      const remote = await inspectRemoteImage(temp.engine.settings, destination);
      const original = await inspectRemoteImage(temp.engine.settings, source);
      assert.deepEqual({ ...remote, reference: undefined }, { ...original, reference: undefined });
      assert.equal(remote.imageId, pushed.imageId);
      const tags = await listRemoteTags(temp.engine.settings, `${target.host}/copy/${format}`);
      assert.deepEqual(tags, { repository: `${target.host}/copy/${format}`, tags: ['v2'] });
    });
  }

  it('is mounted from the repository that it came from, and not sent', async () => {
    const before = origin.requests().length;
    const destination = `${origin.host}/other/place:v1`;
    const source = `${origin.host}/team/oci:v1`;
    const { blobs } = await pushImage(temp.engine, source, { destination });
    assert.deepEqual(
      blobs.map(({ outcome }) => outcome),
      ['mounted', 'mounted', 'mounted'],
    );
    const methods = origin
      .requests()
      .slice(before)
      .map(({ method }) => method);
    assert.equal(methods.filter((method) => method === 'PUT').length, 1);
    assert.equal(await skopeoDigest(destination), await skopeoDigest(source));
  });

  it('can go in chunks', async () => {
    const [layer] = image.layers;
    assert.ok(layer !== undefined);
    const uploadSizes = { wholeBytes: 0, chunkBytes: 100 };
    await using client = quickClient(target.host, {}, { uploadSizes }).client;
    const content = contentOf(layer.bytes);
    assert.equal(await client.pushBlob('in/chunks', layer.descriptor, { content }), 'uploaded');
    assert.equal(await client.pushBlob('in/chunks', layer.descriptor, { content }), 'existing');
  });

  it('is pulled by podman, with the same digest', async () => {
    const root = join(directory, 'podman');
    const roots = ['--root', root, '--runroot', `${root}-run`, '--storage-driver', 'vfs'];
    const podman = async (...argv: string[]): Promise<string> =>
      (await run('podman', [...roots, ...argv])).stdout.trim();
    for (const { format } of FORMATS) {
      const destination = `${target.host}/for/podman-${format}:v1`;
      const source = `${origin.host}/team/${format}:v1`;
      const pushed = await pushImage(temp.engine, source, { destination });
      await podman('pull', '--quiet', '--tls-verify=false', destination);
      const seen = await podman('image', 'inspect', '--format', '{{.Digest}} {{.Id}}', destination);
      assert.equal(seen, `${pushed.manifest.digest} ${pushed.imageId.slice('sha256:'.length)}`);
      // Both have one config, which is one image for podman, with the digest that came first.
      await podman('rmi', destination);
    }
  });
});
