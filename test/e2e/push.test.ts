import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { DockerRegistry, pushWithSkopeo } from '../support/docker-registry.ts';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';

describe('an image on its way to a registry', NEEDS_ROOT, () => {
  let registry: DockerRegistry;
  let name: string;

  before(async () => {
    registry = await DockerRegistry.start();
    const image = await realImage('busybox');
    name = await pushWithSkopeo(image, { registry, name: 'busybox:1' }, { format: 'oci' });
  });
  after(() => registry[Symbol.asyncDispose]());

  function skopeoDigest(reference: string): string {
    const argv = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}'];
    return execFileSync('skopeo', [...argv, `docker://${reference}`], { encoding: 'utf8' }).trim();
  }

  it('is looked at, fetched, tagged, pushed, and found there with the same digest', async () => {
    await using home = new CliHome();
    const digest = skopeoDigest(name);
    const remote = JSON.parse(await home.succeed(['image', 'inspect', '--remote', name]));
    assert.equal(remote.digest, digest);
    assert.equal(existsSync(home.dataDir), false);
    await home.succeed(['fetch', '--quiet', name]);
    const target = `${registry.host}/team/app:2`;
    assert.equal(await home.succeed(['tag', name, target]), '');
    const pushed = await home.run(['push', target]);
    assert.equal(pushed.stdout, `${registry.host}/team/app@${digest}\n`);
    assert.match(pushed.stderr, /^pushing .*\nblob [0-9a-f]{12}: .* mounted\n/);
    assert.equal(skopeoDigest(target), digest);
    assert.equal(await home.succeed(['image', 'tags', `${registry.host}/team/app`]), '2\n');
    const again = await home.run(['push', '--quiet', '--json', name, target]);
    assert.equal(again.stderr, '');
    assert.equal(JSON.parse(again.stdout).digest, digest);
  });
});
