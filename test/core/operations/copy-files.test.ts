import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseCopyPlace } from '../../../src/core/operations/copy-arguments.ts';
import { type CopyOptions, copyFiles } from '../../../src/core/operations/copy-files.ts';
import { busyboxImage } from '../../support/busybox-image.ts';
import { engineError } from '../../support/engine-errors.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { cannotRunContainers } from '../runtime/container-fixture.ts';
import { LiveContainer, runKept, storeImage } from './live-container.ts';

const SECRET = 'a secret of the host';

describe('copyFiles', { skip: cannotRunContainers, timeout: 120_000 }, () => {
  let temp: TempEngine;
  let live: LiveContainer;
  let upper: string;

  const host = (...parts: string[]): string => join(temp.directory, 'host', ...parts);

  before(async () => {
    temp = tempEngine();
    await storeImage(temp, 'busybox', busyboxImage());
    mkdirSync(host('outside'), { recursive: true });
    writeFileSync(host('secret'), SECRET);
    const outside = `../../../../../../../..${host('outside')}`;
    live = await LiveContainer.start(temp, {
      name: 'c',
      command: [
        '/bin/sh',
        '-c',
        `mkdir -p /d/sub ${host()} /race; echo one > /d/one; ln -s one /d/link; echo two > /d/sub/two
         ln -s ${outside} /out; ln -s ${host('outside')} /abs; ln -s ${host('secret')} /leak
         ln -s /proc/1/root/.. /magic; ln -s /d/one /to-one; ln -s gone /dangling; echo own > ${host('secret')}
         mkdir /usr; mkdir /usr/lib; ln -s usr/lib /lib; touch /ready
         while :; do rm -rf /race; ln -s ${host('outside')} /race; rm -f /race; mkdir /race; done`,
      ],
    });
    upper = join(live.listing()?.directory ?? '', 'upper');
    while (!existsSync(join(upper, 'ready')))
      await new Promise((resolve) => setTimeout(resolve, 10));
  });

  after(async () => {
    await live[Symbol.asyncDispose]();
    temp[Symbol.dispose]();
  });

  /** Copies; what would go to standard output is returned. */
  async function cp(
    source: string,
    destination: string,
    over: Partial<CopyOptions> & { readonly stdin?: Buffer } = {},
  ): Promise<Buffer> {
    const { stdin = Buffer.alloc(0), ...options } = over;
    const written: Buffer[] = [];
    const places = {
      source: parseCopyPlace(source, temp.directory),
      destination: parseCopyPlace(destination, temp.directory),
    };
    await copyFiles(temp.engine, places, {
      archive: false,
      followLink: false,
      stdin: (async function* () {
        yield stdin;
      })(),
      writeTar: async (tar) => {
        for await (const bytes of tar) written.push(Buffer.from(bytes));
      },
      ...options,
    });
    return Buffer.concat(written);
  }

  const inContainer = (path: string): string => readFileSync(join(upper, path), 'utf8');

  it('copies a file in and out, under its own name or another', async () => {
    writeFileSync(host('in'), 'content', { mode: 0o640 });
    await cp(host('in'), 'c:/d/sub');
    await cp(host('in'), 'c:/d/named');
    assert.equal(inContainer('d/sub/in'), 'content');
    assert.equal(inContainer('d/named'), 'content');
    await cp('c:/d/one', host('one'));
    assert.equal(readFileSync(host('one'), 'utf8'), 'one\n');
    await assert.rejects(cp('c:/d/one', host('missing/')), engineError('USAGE_INVALID'));
    await assert.rejects(cp('c:/nothing', host()), engineError('USAGE_INVALID', /does not exist/));
    await assert.rejects(cp('c:/d/one/', host()), engineError('USAGE_INVALID', /not a directory/));
  });

  it('copies a directory, or what is in it', async () => {
    await cp('c:/d', host('whole'));
    assert.deepEqual(readdirSync(host('whole')).includes('sub'), true);
    mkdirSync(host('target'));
    await cp('c:/d', host('target'));
    await cp('c:/d/sub/.', host('target'));
    assert.deepEqual(
      readdirSync(host('target'))
        .filter((name) => name !== 'in')
        .sort(),
      ['d', 'two'],
    );
    await assert.rejects(cp('c:/d', host('one')), engineError('USAGE_INVALID'));
    writeFileSync(host('target/d/sub/two'), 'older');
    await cp('c:/d', host('target'));
    assert.equal(readFileSync(host('target/d/sub/two'), 'utf8'), 'two\n');
  });

  it('gives everything to root, or keeps the owners with --archive', async () => {
    writeFileSync(host('owned'), 'x');
    execFileSync('chown', ['1234:4321', host('owned')]);
    execFileSync('chmod', ['6755', host('owned')]);
    const facts = (path: string) => {
      const { uid, gid, mode } = statSync(path);
      return [uid, gid, (mode & 0o7777).toString(8)];
    };
    await cp(host('owned'), 'c:/d/roots');
    assert.deepEqual(facts(join(upper, 'd/roots')), [0, 0, '755']);
    await cp(host('owned'), 'c:/d/kept', { archive: true });
    assert.deepEqual(facts(join(upper, 'd/kept')), [1234, 4321, '6755']);
    await cp('c:/d/kept', host('roots'));
    assert.deepEqual(facts(host('roots')), [0, 0, '755']);
  });

  it('keeps links, holes, times, attributes and odd names on the way there and back', async () => {
    const tree = host('tree');
    mkdirSync(tree);
    execFileSync('/bin/sh', [
      '-ec',
      `cd "$1"; mkdir -p deep/er empty; echo a > deep/er/a; ln deep/er/a hard; ln -s ../gone deep/soft
       mkfifo -m 600 fifo; truncate -s 600K sparse; echo end >> sparse; printf x > "$(printf 'odd\\nname\\377')"
       setfattr -n user.note -v hello hard 2> /dev/null || true
       touch -d '1969-12-31 23:59:59.5 UTC' hard; touch -d '2001-02-03 04:05:06.789012345' empty`,
      'sh',
      tree,
    ]);
    await cp(tree, 'c:/tree', { archive: true });
    await cp('c:/tree', host('back'), { archive: true });
    const tar = (directory: string) =>
      execFileSync('tar', [
        '-C',
        directory,
        '--sort=name',
        '--xattrs',
        '--format=pax',
        '--pax-option=delete=atime,delete=ctime',
        '-c',
        '.',
      ]);
    assert.ok(tar(host('back')).equals(tar(tree)));
    assert.ok(statSync(host('back/sparse')).blocks < 100);
  });

  for (const [name, link] of [
    ['that climbs', '/out'],
    ['that is absolute', '/abs'],
  ] as const) {
    it(`does not leave the container through a link ${name}`, async () => {
      await assert.rejects(cp(host('secret'), `c:${link}/x`), engineError('USAGE_INVALID'));
      await assert.rejects(cp(`c:${link}/.`, host('never')), engineError('USAGE_INVALID'));
      assert.deepEqual(readdirSync(host('outside')), []);
    });
  }

  it('reads no file of the host, whatever link is given', async () => {
    await cp('c:/leak', host('leaked'), { followLink: true });
    assert.equal(readFileSync(host('leaked'), 'utf8'), 'own\n');
    await assert.rejects(cp('c:/magic/.', host('never')), engineError('USAGE_INVALID'));
    await assert.rejects(
      cp('c:/magic', host('never'), { followLink: true }),
      engineError('USAGE_INVALID'),
    );
  });

  it('follows a link to a file as destination, and none in a tree that goes to the host', async () => {
    await cp(host('in'), 'c:/to-one');
    assert.equal(inContainer('d/one'), 'content');
    await cp(host('in'), 'c:/dangling');
    assert.equal(inContainer('gone'), 'content');
    mkdirSync(host('trap'));
    execFileSync('ln', ['-s', host('outside'), host('trap/sub')]);
    await assert.rejects(cp('c:/d/.', host('trap')), engineError('USAGE_INVALID'));
    assert.deepEqual(readdirSync(host('outside')), []);
  });

  it('is not led out by a directory that becomes a link meanwhile', async () => {
    let written = 0;
    for (let round = 0; round < 150; round += 1) {
      try {
        await cp(host('in'), 'c:/race/x');
        written += 1;
      } catch {
        // The directory was gone, or a link to nothing: both are as they should be.
      }
    }
    assert.deepEqual(readdirSync(host('outside')), []);
    assert.ok(written > 0, 'it worked now and then');
  });

  it('writes a tar, and unpacks one with its owners, through links inside the root', async () => {
    const listed = execFileSync('tar', ['-t'], { input: await cp('c:/d/sub', '-') }).toString();
    assert.match(listed, /^sub\/\nsub\/in\nsub\/two\n$/);
    const tar = tarOf([
      { name: 'lib/x', content: 'in usr', uid: 77, gid: 78 },
      { name: '.wh.plain', content: 'no whiteout' },
      { name: 'abs-link', type: 'symlink', link: host('outside') },
      { name: 'abs-link/inside', content: 'stays inside' },
    ]);
    await assert.rejects(cp('-', 'c:/', { stdin: tar }), engineError('USAGE_INVALID'));
    assert.equal(inContainer('usr/lib/x'), 'in usr');
    assert.equal(statSync(join(upper, 'usr/lib/x')).uid, 77);
    assert.equal(inContainer('.wh.plain'), 'no whiteout');
    assert.deepEqual(readdirSync(host('outside')), []);
    const climbing = tarOf([{ name: '../../evil', content: 'x' }]);
    await assert.rejects(
      cp('-', 'c:/d', { stdin: climbing }),
      engineError('USAGE_INVALID', /leads out/),
    );
    await assert.rejects(cp('-', 'c:/d/one', { stdin: tar }), engineError('USAGE_INVALID'));
  });

  it('refuses two containers, or none', async () => {
    await assert.rejects(cp('c:/d', 'c:/e'), engineError('USAGE_INVALID'));
    await assert.rejects(cp('a', 'b'), engineError('USAGE_INVALID'));
    await assert.rejects(cp('c:/d', 'nobody:/e'), engineError('USAGE_INVALID'));
    await assert.rejects(cp('nobody:/d', host()), engineError('CONTAINER_NOT_FOUND'));
  });

  it('works on a container that has ended, its volumes too', async () => {
    mkdirSync(host('volume'));
    const bind = {
      type: 'bind',
      source: host('volume'),
      destination: '/vol',
      readOnly: false,
    } as const;
    const more = { createSource: false, recursive: true, propagation: 'rprivate' } as const;
    const { directory } = await runKept(temp, {
      name: 'over',
      command: ['/bin/sh', '-c', 'echo made > /made; echo v > /vol/v'],
      mounts: [{ ...bind, ...more }],
    });
    await cp('over:/made', host('made'));
    assert.equal(readFileSync(host('made'), 'utf8'), 'made\n');
    await cp(host('in'), 'over:/etc/in');
    assert.equal(readFileSync(join(directory, 'upper/etc/in'), 'utf8'), 'content');
    await cp(host('in'), 'over:/vol/in');
    assert.equal(readFileSync(host('volume/in'), 'utf8'), 'content');
    assert.deepEqual(readdirSync(join(directory, 'rootfs')), [], 'nothing stays mounted');
  });
});
