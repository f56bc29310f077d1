import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tarOf } from '../../support/tar-builder.ts';
import { ingest } from './layer-fixture.ts';
import { accepts, refuses } from './layer-rows.ts';

describe('links', () => {
  for (const link of ['../victim/hello', '/../victim/hello', 'a/../../x', '..']) {
    refuses({
      what: `a hard link to "${link}"`,
      tar: [{ name: 'h', type: 'hardlink', link }],
      says: /"h" links to a path outside the root/,
    });
  }
  refuses({
    what: 'a hard link to the root',
    tar: [{ name: 'h', type: 'hardlink', link: './' }],
    says: /hard link to the root/,
  });
  refuses({
    what: 'a symlink without a target',
    tar: [{ name: 's', type: 'symlink' }],
    says: /without a target/,
  });
  refuses({
    what: 'a symlink target of 4096 bytes',
    tar: [{ name: 's', type: 'symlink', link: 'x'.repeat(4096) }],
    says: /target of 4096 bytes/,
  });
  accepts({
    what: 'keeps the text of symlinks, wherever it points',
    tar: ['../../victim', '/etc', '..', './/x/.', 'line\nfeed', '\xff\x80'].map((link, at) => ({
      name: `s${at}`,
      type: 'symlink',
      link,
    })),
    entries: [
      'symlink s0 -> ../../victim',
      'symlink s1 -> /etc',
      'symlink s2 -> ..',
      'symlink s3 -> .//x/.',
      'symlink s4 -> line\nfeed',
      'symlink s5 -> \xff\x80',
    ],
  });
  accepts({
    what: 'takes hard link targets relative to the root, before and after their file',
    tar: [
      { name: 'h', type: 'hardlink', link: '/usr/../usr/bin/perl' },
      { name: 'usr/bin/perl', content: 'x' },
      { name: 'i', type: 'hardlink', link: './usr/bin/perl' },
    ],
    entries: ['hardlink h -> usr/bin/perl', 'file usr/bin/perl', 'hardlink i -> usr/bin/perl'],
  });
  accepts({
    what: 'takes no contents for links, directories and devices, whatever size they claim',
    tar: [
      { name: 'h', type: 'hardlink', link: 'f', size: 700 },
      { name: 's', type: 'symlink', link: 'f', size: 700 },
      { name: 'd', type: 'directory', size: 4096 },
      { name: 'c', type: 'character-device', major: 1, minor: 3, size: 512 },
      { name: 'f' },
    ],
    entries: ['hardlink h -> f', 'symlink s -> f', 'directory d', 'characterDevice c', 'file f'],
  });
  accepts({
    what: 'leaves a directory that becomes a symlink to whoever merges',
    tar: [
      { name: 'd', type: 'directory' },
      { name: 'd', type: 'symlink', link: '../victim' },
      { name: 'd/f' },
    ],
    entries: ['directory d', 'symlink d -> ../victim', 'file d/f'],
  });
});

describe('whiteouts', () => {
  for (const name of ['.wh.', 'a/.wh.', '.wh..', 'a/.wh...']) {
    refuses({ what: `"${name}"`, tar: [{ name }], says: /a whiteout that names nothing to hide/ });
  }
  accepts({
    what: 'records what they hide, wherever they stand',
    tar: [
      { name: 'd/f' },
      { name: 'd/.wh..wh..opq' },
      { name: '.wh.x' },
      { name: 'd/.wh.f' },
      { name: '.wh..baz' },
      { name: '.wh..wh..opq' },
    ],
    entries: ['file d/f', 'opaque d', 'whiteout x', 'whiteout d/f', 'whiteout .baz', 'opaque '],
  });
  accepts({
    what: 'takes one of any type but a directory, and ignores its contents',
    tar: [
      { name: '.wh.full', content: 'contents' },
      { name: '.wh.link', type: 'symlink', link: '../x' },
      { name: '.wh.hard', type: 'hardlink', link: 'f' },
      { name: '.wh.dev', type: 'character-device' },
      { name: 'f', content: 'x' },
    ],
    entries: ['whiteout full', 'whiteout link', 'whiteout hard', 'whiteout dev', 'file f'],
  });
  accepts({
    what: 'keeps a directory of such a name',
    tar: [{ name: '.wh.etc/', type: 'directory' }, { name: '.wh.etc/passwd' }],
    entries: ['directory .wh.etc', 'file .wh.etc/passwd'],
  });
  accepts({
    what: 'ignores the metadata of AUFS',
    tar: [
      { name: '.wh..wh.plnk', type: 'directory' },
      { name: '.wh..wh.plnk/12.34', content: 'x' },
      { name: '.wh..wh.aufs' },
      { name: '.wh..wh.foo' },
      { name: 'd/.wh..wh.orph/f' },
      { name: 'f' },
    ],
    entries: ['file f'],
  });
  it('stores nothing of the contents of what it ignores', async () => {
    const layer = await ingest([
      { name: '.wh.full', content: Buffer.alloc(9000, 1) },
      { name: '.wh..wh.aufs', content: Buffer.alloc(9000, 1) },
      { name: '', content: Buffer.alloc(9000, 1) },
    ]);
    assert.equal(layer.data.length, 0);
  });
  it('reads a hundred thousand opaque markers in linear time', async () => {
    const marker = tarOf([{ name: 'd/.wh..wh..opq' }], { endBlocks: false });
    const layer = await ingest(Buffer.concat(Array.from({ length: 100_000 }, () => marker)));
    assert.equal(layer.entries.length, 100_000);
  });
});
