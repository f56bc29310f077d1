import { describe } from 'node:test';
import { utf8 } from '../../support/tar-builder.ts';
import { accepts, refuses } from './layer-rows.ts';

const deep = (parts: number): string => Array.from({ length: parts }, () => 'd').join('/');

describe('names', () => {
  const escaping = [
    '../victim/x',
    '/../victim/x',
    '..',
    '../../pwned',
    'a/../../x',
    './../x',
    'a/..//../x',
  ];
  for (const name of escaping) {
    refuses({ what: `the name "${name}"`, tar: [{ name }], says: /leads out of the root/ });
  }
  refuses({
    what: 'a PAX path that escapes behind a harmless name',
    tar: [{ name: 'fine', pax: { path: '../victim' } }],
    says: /"\.\.\/victim" leads out/,
  });
  refuses({
    what: 'a GNU long name that escapes',
    tar: [{ name: `${'a/'.repeat(60)}${'../'.repeat(61)}x`, longNames: 'gnu' }],
    says: /leads out of the root/,
  });
  refuses({
    what: 'a whiteout that escapes',
    tar: [{ name: '../.wh.x' }],
    says: /leads out of the root/,
  });
  refuses({
    what: 'a part of 256 bytes',
    tar: [{ name: `d/${'n'.repeat(256)}/f` }],
    says: /has a name of 256 bytes in its path; 255 is the most/,
  });
  refuses({
    what: 'a path of 4096 bytes',
    tar: [{ name: `${'n'.repeat(200)}/`.repeat(20) + 'n'.repeat(76) }],
    says: /has a path of 4096 bytes; 4095 is the most/,
  });
  refuses({
    what: 'a path 1025 deep',
    tar: [{ name: deep(1025) }],
    says: /is 1025 directories deep/,
  });
  refuses({
    what: 'a file that would replace the root',
    tar: [{ name: './', content: 'x' }],
    says: /would replace the root/,
  });
  refuses({
    what: 'a symlink that would replace the root',
    tar: [{ name: '/', type: 'symlink', link: '/victim' }],
    says: /would replace the root/,
  });
  refuses({
    what: 'control characters, without printing them',
    tar: [{ name: '../\x1b[2J\nx' }],
    says: /"\.\.\/\\x1b\[2J\\x0ax"/,
  });
  refuses({
    what: 'a name in UTF-8, and shows it as text',
    tar: [{ name: utf8('../é') }],
    says: /entry "\.\.\/é" leads/,
  });
  refuses({
    what: 'a name in no encoding, and shows its bytes',
    tar: [{ name: '../\xe9\x80' }],
    says: /entry "\.\.\/\\xe9\\x80" leads/,
  });
  refuses({
    what: 'a name that turns the direction of text in UTF-8, without printing it',
    tar: [{ name: utf8('../\u202ex') }],
    says: /entry "\.\.\/\\u202ex" leads/,
  });
  accepts({
    what: 'takes absolute and untidy names relative to the root',
    tar: [
      { name: '/etc/x' },
      { name: '////etc/y' },
      { name: './././z' },
      { name: 'a/../b' },
      { name: 'file/' },
      { name: '/', type: 'directory' },
    ],
    entries: ['file etc/x', 'file etc/y', 'file z', 'file b', 'file file', 'directory '],
  });
  accepts({
    what: 'ignores an empty name and its contents',
    tar: [{ name: '', content: 'x' }, { name: 'a' }],
    entries: ['file a'],
  });
  accepts({
    what: 'keeps names that differ in one byte apart',
    tar: [
      'n\x80',
      'n\x81',
      utf8('é'),
      utf8('e\u0301'),
      'ß',
      'ss',
      'A',
      'a',
      'l\nf',
      'b\\s',
      'C:..',
      ' ',
    ].map((name) => ({ name })),
    entries: [
      'n\x80',
      'n\x81',
      utf8('é'),
      utf8('e\u0301'),
      'ß',
      'ss',
      'A',
      'a',
      'l\nf',
      'b\\s',
      'C:..',
      ' ',
    ].map((name) => `file ${name}`),
  });
  for (const length of [100, 101, 155, 156, 255]) {
    for (const longNames of ['pax', 'gnu'] as const) {
      accepts({
        what: `reads a ${longNames} name of ${length} bytes`,
        tar: [{ name: 'n'.repeat(length), longNames }],
        entries: [`file ${'n'.repeat(length)}`],
      });
    }
  }
  accepts({
    what: 'reads a name of 256 bytes out of prefix and name',
    tar: [{ name: `${'p'.repeat(155)}/${'n'.repeat(100)}`, longNames: 'prefix' }],
    entries: [`file ${'p'.repeat(155)}/${'n'.repeat(100)}`],
  });
  accepts({
    what: 'reads the longest path and the deepest one',
    tar: [{ name: `${`${'n'.repeat(255)}/`.repeat(15)}${'n'.repeat(255)}` }, { name: deep(1024) }],
    entries: [`file ${`${'n'.repeat(255)}/`.repeat(15)}${'n'.repeat(255)}`, `file ${deep(1024)}`],
  });
});
