import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { OCI_MANIFEST } from '../../src/core/oci/media-type.ts';
import { busyboxImage } from '../support/busybox-image.ts';
import { CliHome } from '../support/run-cli.ts';
import { encryptKey, testKey } from '../support/signed-images.ts';
import { TestRegistry } from '../support/test-registry.ts';

const image = busyboxImage();
const KEY = testKey();

describe('dray trust', () => {
  it('lets an image run that our key has signed, offline after the first time, and no other', async () => {
    await using home = new CliHome();
    const registry = await TestRegistry.start();
    const reference = registry.addImage('app', 'v1', image);
    try {
      const prefix = `${registry.host}/app`;
      const files = ['cosign.key', 'cosign.pub'].map((name) => join(home.directory, name));
      const [keyFile = '', publicFile = ''] = files;
      writeFileSync(keyFile, encryptKey(KEY.privatePem, 'secret'), { mode: 0o600 });
      writeFileSync(publicFile, KEY.publicPem);
      await home.succeed(['trust', 'add', '--prefix', prefix, '--key', publicFile]);
      const [rule] = JSON.parse(await home.succeed(['trust', 'list', '--json']));
      assert.equal(rule.prefix, prefix);

      const run = ['run', '--rm', reference, 'echo', 'hello'];
      const unsigned = await home.run(run);
      assert.equal(unsigned.status, 125);
      for (const part of [KEY.signing.publicKey.fingerprint, 'cosign.pub', prefix, 'trust.json']) {
        assert.ok(unsigned.stderr.includes(part), unsigned.stderr);
      }

      const accepted = await home.run(['fetch', '--quiet', '--insecure-options=image', reference]);
      assert.equal(accepted.status, 0, accepted.stderr);
      assert.match(accepted.stderr, /^warning: .*without its signatures being verified.*\n$/);
      const push = ['push', '--sign-key', keyFile, reference];
      const wrong = await home.run(push, { env: { COSIGN_PASSWORD: 'wrong-password' } });
      assert.equal(wrong.status, 2);
      assert.doesNotMatch(wrong.stderr, /wrong-password/);
      await home.succeed(push, { env: { COSIGN_PASSWORD: 'secret' } });
      assert.equal(await home.succeed(run), 'hello\n');

      const changed = Buffer.concat([image.manifest.bytes, Buffer.from(' ')]);
      registry.addManifest('app', changed, { mediaType: OCI_MANIFEST, tag: 'v1' });
      const refused = await home.run(['fetch', reference]);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /is refused/);
    } finally {
      await registry[Symbol.asyncDispose]();
    }
    assert.equal(await home.succeed(['run', '--rm', reference, 'echo', 'again']), 'again\n');
  });
});
