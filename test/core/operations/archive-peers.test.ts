/** Archives between dray and the other engines, both ways. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadImages } from '../../../src/core/operations/load-images.ts';
import type { ArchiveFormat } from '../../../src/core/operations/save-images.ts';
import { saveTo, storeImages } from '../../support/archive-files.ts';
import { DockerDaemon, hasDockerDaemon } from '../../support/docker-daemon.ts';
import { skopeoCopy } from '../../support/docker-registry.ts';
import { buildImage } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { tempEngine } from '../../support/temp-engine.ts';

const tree = tarOf([{ name: 'etc/hello', content: 'hello\n' }]);
const other = tarOf([{ name: 'etc/other', content: 'other\n' }]);
const A = 'docker.io/library/a:1';
const B = 'reg.lan:5000/team/b:2';
const Z = 'docker.io/library/z:3';
const config = { Cmd: ['/etc/hello'] };
/** Two images that share a layer, of both kinds of media types. */
const images = {
  [A]: buildImage({ layers: [tree], config }),
  [B]: buildImage({ layers: [tree, other], compression: 'none', mediaTypes: 'docker', config }),
};
const zstd = buildImage({ layers: [tree, other], compression: 'zstd', config });
const BOTH = [A, B];
const ids = Object.values(images).map(({ imageId }) => imageId);

const without = (program: string): string | false =>
  ['/usr/bin', '/usr/sbin', '/usr/local/bin'].some((path) => existsSync(join(path, program)))
    ? false
    : `needs ${program}`;

/** podman, with a store of its own that is removed afterwards. */
class Podman implements Disposable {
  readonly directory = mkdtempSync(
    join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'dray-pod-'),
  );

  run(program: 'podman' | 'buildah', ...argv: string[]): string {
    const roots = [
      '--root',
      join(this.directory, 'root'),
      '--runroot',
      join(this.directory, 'run'),
    ];
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    return execFileSync(program, [...roots, '--storage-driver', 'vfs', ...argv], {
      encoding: 'utf8',
      stdio: [...stdio],
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function loadedFrom(path: string): Promise<(readonly [string, readonly string[]])[]> {
  using temp = tempEngine();
  const loaded = await loadImages(temp.engine, { path });
  return loaded.map(({ imageId, references }) => [imageId, references] as const);
}

describe('docker', { skip: hasDockerDaemon() ? false : 'needs dockerd' }, () => {
  it('loads what is saved, and what it saves is loaded', async () => {
    await using daemon = await DockerDaemon.start();
    using temp = tempEngine();
    await storeImages(temp.engine, join(temp.directory, 'layout'), images);
    for (const format of ['combined', 'docker-archive'] as const) {
      const file = join(temp.directory, `${format}.tar`);
      await saveTo(temp.engine, file, { names: BOTH, format });
      const output = await daemon.docker(['load', '-i', file]);
      assert.deepEqual(output.trim().split('\n').sort(), [
        'Loaded image: a:1',
        `Loaded image: ${B}`,
      ]);
      const found = await daemon.docker(['image', 'inspect', '--format', '{{.Id}}', 'a:1', B]);
      assert.deepEqual(found.trim().split('\n'), ids);
      if (format === 'combined') await daemon.docker(['image', 'rm', 'a:1', B]);
    }
    const saved = join(temp.directory, 'docker.tar');
    await daemon.docker(['save', '-o', saved, 'a:1', B]);
    assert.deepEqual(
      (await loadedFrom(saved)).sort(),
      [
        [ids[0], [A]],
        [ids[1], [B]],
      ].sort(),
    );
  });
});

describe('podman', { skip: without('podman') }, () => {
  it('loads what is saved, and what it saves is loaded', async () => {
    using temp = tempEngine();
    using podman = new Podman();
    await storeImages(temp.engine, join(temp.directory, 'layout'), { ...images, [Z]: zstd });
    const rows: readonly [ArchiveFormat, readonly string[]][] = [
      ['combined', [...BOTH, Z]],
      ['docker-archive', [...BOTH, Z]],
      ['oci-archive', [A]],
    ];
    for (const [format, names] of rows) {
      const file = join(temp.directory, `${format}.tar`);
      await saveTo(temp.engine, file, { names, format });
      const output = podman.run('podman', 'load', '--quiet', '-i', file);
      assert.deepEqual(
        output.trim().split('\n').sort(),
        names.map((name) => `Loaded image: ${name}`).sort(),
      );
      if (format !== 'oci-archive') podman.run('podman', 'rmi', '--all', '--force');
    }
    const oci = join(temp.directory, 'podman-oci.tar');
    podman.run('podman', 'save', '--quiet', '--format', 'oci-archive', '-o', oci, A);
    const [[, names] = []] = await loadedFrom(oci);
    assert.deepEqual(names, [A]);
    podman.run('podman', 'load', '--quiet', '-i', join(temp.directory, 'combined.tar'));
    const docker = join(temp.directory, 'podman-docker.tar');
    podman.run('podman', 'save', '--quiet', '-m', '-o', docker, ...BOTH);
    assert.deepEqual(
      (await loadedFrom(docker)).sort(),
      [
        [ids[0], [A]],
        [ids[1], [B]],
      ].sort(),
    );
  });
});

describe('buildah', { skip: without('buildah') }, () => {
  it('pushes archives that are loaded', async () => {
    using temp = tempEngine();
    using podman = new Podman();
    await storeImages(temp.engine, join(temp.directory, 'layout'), images);
    const file = await saveTo(temp.engine, join(temp.directory, 'x.tar'), { names: [A] });
    podman.run('buildah', 'pull', '--quiet', `docker-archive:${file}`);
    for (const kind of ['oci-archive', 'docker-archive']) {
      const pushed = join(temp.directory, `${kind}.tar`);
      podman.run('buildah', 'push', '--quiet', A, `${kind}:${pushed}:team/new:4`);
      const [[, names] = []] = await loadedFrom(pushed);
      assert.ok(names?.includes('docker.io/team/new:4'), String(names));
    }
  });
});

describe('skopeo', { skip: without('skopeo') }, () => {
  it('copies every image out of what is saved, byte for byte from the layout', async () => {
    using temp = tempEngine();
    const all = { ...images, [Z]: zstd };
    await storeImages(temp.engine, join(temp.directory, 'layout'), all);
    const names = Object.keys(all);
    for (const format of ['combined', 'oci-archive'] as const) {
      const file = join(temp.directory, `${format}.tar`);
      await saveTo(temp.engine, file, { names, format });
      // skopeo finds entries with docker's media types only where no name is asked for.
      const alone = await saveTo(temp.engine, `${file}.b`, { names: [B], format });
      const rows = [
        [`${file}:${A}`, images[A]],
        [`${file}:${Z}`, zstd],
        [alone, images[B]],
      ] as const;
      for (const [at, [source, image]] of rows.entries()) {
        const copy = join(temp.directory, `${format}-${at}`);
        await skopeoCopy(['--preserve-digests', `oci-archive:${source}`, `dir:${copy}`]);
        assert.deepEqual(readFileSync(join(copy, 'manifest.json')), image.manifest.bytes);
      }
    }
    for (const format of ['combined', 'docker-archive'] as const) {
      const file = join(temp.directory, `${format}-docker.tar`);
      await saveTo(temp.engine, file, { names, format });
      for (const [name, image] of Object.entries(all)) {
        const copy = join(temp.directory, `${format}-docker-${names.indexOf(name)}`);
        await skopeoCopy([`docker-archive:${file}:${name}`, `dir:${copy}`]);
        const { config: found } = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'));
        assert.equal(found.digest, image.imageId);
      }
    }
  });

  it('writes archives that are loaded', async () => {
    using temp = tempEngine();
    await storeImages(temp.engine, join(temp.directory, 'layout'), images);
    const file = await saveTo(temp.engine, join(temp.directory, 'x.tar'), { names: BOTH });
    const rows = [
      ['oci-archive', `oci-archive:${file}:${A}`, 'team/c:5', ids[0]],
      ['oci-archive', `oci-archive:${file}:${A}`, 'v5', ids[0]],
      ['docker-archive', `docker-archive:${file}:${B}`, 'team/c:5', ids[1]],
    ] as const;
    for (const [kind, source, name, id] of rows) {
      const copy = join(
        temp.directory,
        `copy-${rows.findIndex((row) => row[1] === source && row[2] === name)}.tar`,
      );
      await skopeoCopy([source, `${kind}:${copy}:${name}`]);
      const reference = name === 'v5' ? 'localhost/copy-1:v5' : 'docker.io/team/c:5';
      assert.deepEqual(await loadedFrom(copy), [[id, [reference]]]);
    }
  });
});
