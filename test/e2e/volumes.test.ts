/** Volumes as a user meets them: from the command line into containers and back. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage, busyboxLayer } from '../support/busybox-image.ts';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CliHome } from '../support/run-cli.ts';
import { tarOf } from '../support/tar-builder.ts';

const IMAGE = 'localhost/app';

describe('volumes', NEEDS_ROOT, () => {
  let home: CliHome;

  before(async () => {
    home = new CliHome();
    const content = tarOf([
      { name: 'data', type: 'directory', mode: 0o750, uid: 7, gid: 8 },
      { name: 'data/file', content: 'of the image', mode: 0o640, uid: 5, gid: 6 },
    ]);
    const image = busyboxImage({
      layers: [busyboxLayer(), content],
      config: { Volumes: { '/data': {} } },
    });
    const layout = writeLayout(join(home.directory, 'app'), [{ image }]);
    await home.succeed(['fetch', '--quiet', `oci:${layout}`]);
  });
  after(() => home[Symbol.asyncDispose]());

  async function sh(flags: readonly string[], script: string): Promise<string> {
    return await home.succeed(['run', ...flags, IMAGE, 'sh', '-c', script]);
  }

  async function names(...flags: readonly string[]): Promise<string[]> {
    const output = await home.succeed(['volume', 'ls', '-q', ...flags]);
    return output.split('\n').filter(Boolean);
  }

  it('are in use from the moment that a container is created with them', async () => {
    await home.succeed([
      'create',
      '--name',
      'waits',
      '-v',
      'reserved:/data',
      IMAGE,
      'cat',
      '/data/file',
    ]);
    const refused = await home.run(['volume', 'rm', 'reserved']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /"reserved" is in use by the container [0-9a-f]{12} \("waits"\)/);
    await home.succeed(['volume', 'prune', '--all', '--force']);
    assert.ok((await names()).includes('reserved'));
    await home.succeed(['rm', 'waits']);
    await home.succeed(['volume', 'rm', 'reserved']);
  });

  it('keep what containers write, begin with the content of the image, and go', async () => {
    assert.equal(await home.succeed(['volume', 'create', '--label', 'a=1', 'db']), 'db\n');
    const first = await sh(
      ['--rm', '-v', 'db:/data'],
      'stat -c %u:%g:%a /data /data/file; cat /data/file; echo mine > /data/file',
    );
    assert.equal(first, '7:8:750\n5:6:640\nof the image');
    assert.equal(await sh(['--rm', '-v', 'db:/other:ro'], 'cat /other/file'), 'mine\n');
    const [volume] = JSON.parse(await home.succeed(['volume', 'inspect', 'db']));
    const listed = JSON.parse(await home.succeed(['volume', 'ls', '--format', 'json']));
    assert.deepEqual([listed.Name, listed.Labels, listed.Links], ['db', 'a=1', '0']);
    assert.deepEqual([volume.Name, volume.Driver, volume.Labels], ['db', 'local', { a: '1' }]);
    assert.equal(readFileSync(join(volume.Mountpoint, 'file'), 'utf8'), 'mine\n');
    assert.deepEqual(await names('--filter', 'dangling=true'), ['db'], 'anonymous ones are gone');
    assert.equal(await home.succeed(['volume', 'rm', 'db']), 'db\n');
    assert.equal(existsSync(volume.Mountpoint), false);
  });

  it('of a kept container are in use until it is removed, with -v for ever', async () => {
    await sh(['--name', 'kept', '-v', 'db:/db'], 'echo x > /data/x');
    const refused = await home.run(['volume', 'rm', 'db']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /"db" is in use by the container [0-9a-f]{12} \("kept"\)/);
    assert.equal((await names()).length, 2);
    await home.succeed(['rm', 'kept']);
    assert.equal((await names('-f', 'dangling=true')).length, 2);
    const pruned = await home.succeed(['volume', 'prune', '--force']);
    assert.match(pruned, /^Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: \d/);
    await sh(['--name', 'kept'], 'true');
    await home.succeed(['rm', '-v', 'kept']);
    assert.deepEqual(await names(), ['db']);
    await home.succeed(['volume', 'rm', 'db']);
  });

  it('are not left behind by a run that never starts', async () => {
    const { status } = await home.run(['run', IMAGE, 'no-such-program']);
    assert.equal(status, 127);
    assert.deepEqual(await names(), []);
    assert.deepEqual(readdirSync(join(home.dataDir, 'volumes')), ['.lock']);
  });

  it('are mounted in part, and never what a link in them leads to', async () => {
    const secret = join(home.directory, 'secret');
    mkdirSync(secret);
    writeFileSync(join(secret, 'file'), 'of the host');
    await home.succeed(['volume', 'create', 'parts']);
    const content = join(home.dataDir, 'volumes/parts/_data');
    mkdirSync(join(content, 'sub/deep'), { recursive: true });
    writeFileSync(join(content, 'sub/deep/file'), 'of the volume');
    symlinkSync(secret, join(content, 'away'));
    symlinkSync('/sub', join(content, 'inside'));
    const mount = (subpath: string) => ['--mount', `src=parts,dst=/p,volume-subpath=${subpath}`];
    for (const subpath of ['sub/deep', 'inside/deep', 'sub/deep/file']) {
      const file = subpath.endsWith('file') ? '/p' : '/p/file';
      assert.equal(await sh(['--rm', ...mount(subpath)], `cat ${file}`), 'of the volume');
    }
    for (const subpath of ['away', 'missing', 'away/file']) {
      const { status, stderr } = await home.run(['run', '--rm', ...mount(subpath), IMAGE, 'true']);
      assert.equal(status, 125);
      assert.match(stderr, /the volume has nothing at/);
    }
    await home.succeed(['volume', 'rm', 'parts']);
  });

  it('and binds nest, are given away, and keep their flags', async () => {
    const source = join(home.directory, 'source');
    const flags = ['-v', `${source}/new:/a/b:U,noexec`, '-v', 'outer:/a', '-v', `${source}:/etc`];
    const script = 'ls -A /a; stat -c %u:%g /a/b; grep -c " /etc/hosts " /proc/mounts';
    const output = await sh(
      ['--rm', '-u', '33:44', ...flags],
      `${script}; grep " /a/b " /proc/mounts | grep -o noexec`,
    );
    assert.equal(output, 'b\n33:44\n1\nnoexec\n');
    const missing = ['--mount', 'type=bind,src=/no/such,dst=/x'];
    const refused = await home.run(['run', '--rm', ...missing, IMAGE, 'true']);
    assert.match(refused.stderr, /"\/no\/such" does not exist/);
    const twice = ['-v', `${source}:/x`, '--tmpfs', '/x'];
    const { stderr } = await home.run(['run', '--rm', ...twice, IMAGE, 'true']);
    assert.match(stderr, /Duplicate mount point: "\/x"/);
    await home.succeed(['volume', 'rm', 'outer']);
  });
});
