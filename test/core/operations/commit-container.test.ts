import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type CommitOptions,
  commitContainer,
} from '../../../src/core/operations/commit-container.ts';
import { diffContainer } from '../../../src/core/operations/diff-container.ts';
import { exportContainer } from '../../../src/core/operations/export-container.ts';
import { exportImage } from '../../../src/core/operations/export-image.ts';
import { inspectImage } from '../../../src/core/operations/inspect-image.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { busyboxImage } from '../../support/busybox-image.ts';
import { engineError } from '../../support/engine-errors.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { cannotRunContainers } from '../runtime/container-fixture.ts';
import { LiveContainer, processCommand, runKept, storeImage } from './live-container.ts';

/** What is looked at of the config document. */
interface CommittedDocument {
  readonly config: unknown;
  readonly author: string;
  readonly history: readonly Readonly<Record<'created_by' | 'author' | 'comment', string>>[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

const CHANGES = `
  mkdir -p /new/deep; echo a > /new/deep/a; ln /new/deep/a /new/hard; ln -s a /new/deep/soft
  mkfifo /new/fifo; chown 12:34 /new/hard; chmod 4711 /new/hard; touch -d 2001-02-03 /new/deep
  rm /etc/group; echo more >> /etc/passwd; rm -r /root; chmod 700 /tmp
  echo kept > /var/old; rm -r /var; mkdir /var; echo fresh > /var/fresh
  touch /gone; rm /gone`;

describe('what a container changed', { skip: cannotRunContainers, timeout: 120_000 }, () => {
  let temp: TempEngine;
  let live: LiveContainer;

  before(async () => {
    temp = tempEngine();
    await storeImage(temp, 'busybox', busyboxImage({ config: { Env: ['PATH=/bin', 'A=1'] } }));
    mkdirSync(join(temp.directory, 'volume'));
    const bind = { type: 'bind', source: join(temp.directory, 'volume') } as const;
    live = await LiveContainer.start(temp, {
      name: 'c',
      command: ['/bin/sh', '-c', `${CHANGES}\ntouch /vol/way/here/ready; sleep 600`],
      environment: [{ name: 'B', value: '2' }],
      labels: new Map([['of', 'run']]),
      mounts: [
        {
          ...{ ...bind, destination: '/vol/way/here', readOnly: false, createSource: false },
          ...{ recursive: true, propagation: 'rprivate' },
        },
      ],
    });
    const ready = join(temp.directory, 'volume/ready');
    while (!existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  after(async () => {
    await live[Symbol.asyncDispose]();
    temp[Symbol.dispose]();
  });

  const diff = async (name: string): Promise<string[]> =>
    (await diffContainer(temp.engine, name)).map(({ kind, path }) => `${kind[0]} ${path}`);

  const commit = (over: Partial<CommitOptions> = {}, container = 'c') =>
    commitContainer(temp.engine, container, { changes: [], pause: true, ...over });

  async function listing(bytes: AsyncIterable<Buffer>): Promise<string[]> {
    const pieces: Buffer[] = [];
    for await (const piece of bytes) pieces.push(Buffer.from(piece));
    const options = ['--full-time', '--numeric-owner', '-tv'];
    const tar = execFileSync('tar', options, { input: Buffer.concat(pieces) });
    // The width of a column depends on what came before.
    return tar.toString().replace(/ +/g, ' ').split('\n');
  }

  it('is listed as docker does, without what was made for mounts', async () => {
    assert.deepEqual(await diff('c'), [
      'c /etc',
      'd /etc/group',
      'c /etc/passwd',
      'a /new',
      'a /new/deep',
      'a /new/deep/a',
      'a /new/deep/soft',
      'a /new/fifo',
      'a /new/hard',
      'd /root',
      'c /tmp',
      'c /var',
      'a /var/fresh',
    ]);
  });

  it('becomes a layer that shows the same tree, verified and clean', async () => {
    const { imageId, reference } = await commit({
      name: 'made:1',
      author: 'somebody',
      message: 'a comment',
      changes: ['CMD ["/bin/cat"]', 'ENV C=$B'],
    });
    assert.equal(reference, 'docker.io/library/made:1');
    assert.equal(live.listing()?.phase, 'running');
    const config = inspectImage(temp.engine, 'made:1').config as CommittedDocument;
    assert.deepEqual(config.config, {
      Cmd: ['/bin/cat'],
      Env: ['PATH=/bin', 'A=1', 'B=2', 'C=2'],
      Labels: { of: 'run' },
    });
    const entry = config.history.at(-1);
    assert.match(entry?.created_by ?? '', /^\/bin\/sh -c/);
    assert.deepEqual(
      [entry?.author, entry?.comment, config.author],
      ['somebody', 'a comment', 'somebody'],
    );
    assert.equal(config.rootfs.diff_ids.length, 2);

    const results = await verifyImages(temp.engine, ['made:1'], {});
    assert.doesNotMatch(JSON.stringify(results), /problem":"/);
    const isMade = (line: string) => /\.\/$| vol\/|etc\/(hosts|hostname|resolv.conf)$/.test(line);
    const ofContainer = (await listing(exportContainer(temp.engine, 'c'))).filter(
      (l) => !isMade(l),
    );
    const ofImage = (await listing(exportImage(temp.engine, 'made:1'))).filter((l) => !isMade(l));
    assert.deepEqual(ofImage, ofContainer);
    assert.match(ofImage.join('\n'), /-rws--x--x 12\/34 2 .* new\/deep\/a\n/);
    assert.equal((await commit({ name: 'made:1' })).imageId === imageId, false);
  });

  it('is not there any more in a container of the new image', async () => {
    await commit({ name: 'again:1' });
    const { directory } = await runKept(temp, {
      name: 'again',
      image: 'again:1',
      command: [
        '/bin/sh',
        '-c',
        'cat /var/fresh /new/hard; test ! -e /etc/group && echo gone > /result',
      ],
    });
    assert.deepEqual(await diff('again'), ['a /result']);
    assert.equal(readFileSync(join(directory, 'upper/result'), 'utf8'), 'gone\n');
    const bare = await runKept(temp, { name: 'bare', command: ['/bin/true'] });
    assert.deepEqual(await diff('bare'), []);
    const { layers } = inspectImage(
      temp.engine,
      (await commit({ name: 'same:1' }, bare.id)).imageId,
    ).manifest as { layers: unknown[] };
    assert.equal(layers.length, 1, 'nothing changed, so there is no layer');
  });

  it('lets the container go on when it is killed while that is paused', async () => {
    const { settings } = temp.engine;
    const { id = '' } = live.listing() ?? {};
    const words = processCommand({ kind: 'pause', settings, container: id });
    const child = spawn(words[0] ?? '', words.slice(1), { stdio: 'ignore' });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const until = async (phase: string) => {
      while (live.listing()?.phase !== phase)
        await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await until('paused');
    child.kill('SIGKILL');
    await exited;
    await until('running');
  });

  it('can be copied out of the store by skopeo', {
    skip: !existsSync('/usr/bin/skopeo'),
  }, async () => {
    await commit({ name: 'out:1' });
    const { dataDir } = temp.engine.settings;
    const target = join(temp.directory, 'copied');
    execFileSync('/usr/bin/skopeo', [
      '--insecure-policy',
      'copy',
      `oci:${dataDir}:docker.io/library/out:1`,
      `dir:${target}`,
    ]);
    assert.ok(existsSync(join(target, 'manifest.json')));
  });

  it('is refused where a name would mean a removal', async () => {
    await runKept(temp, { name: 'odd', command: ['/bin/sh', '-c', 'touch /tmp/.wh.passwd'] });
    const before = temp.files();
    await assert.rejects(commit({ name: 'odd:1' }, 'odd'), engineError('LAYER_ENTRY_REJECTED'));
    await assert.rejects(commit({ name: 'c@sha256:00' }), engineError('REFERENCE_INVALID'));
    await assert.rejects(commit({ changes: ['RUN x'] }), engineError('USAGE_INVALID'));
    await assert.rejects(commit({}, 'nobody'), engineError('CONTAINER_NOT_FOUND'));
    assert.deepEqual(temp.files(), before);
  });
});
