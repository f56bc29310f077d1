import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isErrno, setXattr } from '../../../src/core/host/libc.ts';
import { paxRecord } from '../../support/tar-builder.ts';
import { ingest } from './layer-fixture.ts';
import { accepts, refuses } from './layer-rows.ts';

describe('PAX headers', () => {
  const malformed: readonly (readonly [what: string, body: string, says: RegExp])[] = [
    [
      'a record with a wrong length',
      '11 path=fine\n',
      /record at byte 0 of its header is malformed/,
    ],
    ['a second record with a wrong length', '9 path=a\n3 x=y\n', /record at byte 9 .* malformed/],
    ['a record that runs beyond the header', '99 path=x\n', /malformed/],
    ['a record of length 0', '0 path=x\n', /malformed/],
    ['a record without a length', 'path=x\n', /malformed/],
    ['a record without "="', '7 path\n', /malformed/],
    ['a record without a newline', '10 path=xy', /malformed/],
    ['a record without a key', '5 =x\n', /malformed/],
    ['a negative length', '-9 path=x\n', /malformed/],
    ['a huge length', '99999999999999999999 path=x\n', /malformed/],
    ['a length with a sign', '+9 path=x\n', /malformed/],
    ['a NUL in a path', '14 path=fi\0ne\n', /"path" contains a NUL/],
    ['a NUL in a link target', '18 linkpath=fi\0ne\n', /"linkpath" contains a NUL/],
    ['a NUL in a key', '12 pa\0th=ab\n', /PAX key contains a NUL/],
    ['a size that is no number', '12 size=abc\n', /"size" is not a number/],
    ['a negative size', '11 size=-1\n', /"size" is not a number/],
    ['a size beyond exact numbers', '25 size=9007199254740993\n', /"size" is not a number/],
    ['a size in hexadecimal', '13 size=0x10\n', /"size" is not a number/],
    ['an owner that is no number', '9 uid=1a\n', /"uid" is not a number/],
    ['a time that is none', '14 mtime=soon\n', /"mtime" is not a time/],
    ['a repeated key', '9 path=a\n9 path=b\n', /"path" occurs twice/],
  ];
  for (const [what, paxBody, says] of malformed) {
    refuses({ what, tar: [{ name: 'f', paxBody }], code: 'LAYER_INVALID', says });
  }
  refuses({
    what: 'a PAX header over 1 MiB',
    tar: [{ name: 'f', paxBody: Buffer.alloc(1024 * 1024 + 1, 'x') }],
    code: 'LAYER_INVALID',
    says: /a "x" header of 1048577 bytes; 1048576 is the most/,
  });
  refuses({
    what: 'a GNU long name that claims 1 GiB',
    tar: [{ name: '././@LongLink', type: 'L', size: 2 ** 30 }],
    code: 'LAYER_INVALID',
    says: /a "L" header of 1073741824 bytes/,
  });
  refuses({
    what: 'a PAX path and a GNU long name that differ',
    tar: [
      { name: '././@LongLink', type: 'L', content: 'one\0' },
      { name: 'f', pax: { path: 'two' } },
    ],
    code: 'LAYER_INVALID',
    says: /two different names/,
  });
  refuses({
    what: 'a header that belongs to no entry',
    tar: [{ name: 'PaxHeaders/x', type: 'x', content: paxRecord('path', 'a') }],
    code: 'LAYER_INVALID',
    says: /belongs to no entry/,
  });
  it('reads sixty-five thousand records', async () => {
    const records = Array.from({ length: 65_000 }, (_, at) => paxRecord(`k${at}`, 'v'));
    const layer = await ingest([{ name: 'f', paxBody: Buffer.concat(records) }]);
    assert.equal(layer.entries.length, 1);
  });
  it('lets records override the header, and numbers be names', async () => {
    const layer = await ingest([
      {
        name: 'short',
        content: 'contents',
        size: 0,
        pax: { path: '12345', size: '8', uid: '70000', gid: '80000', uname: 'x', comment: 'y=z\n' },
      },
      { name: 'after', pax: { path: '' } },
    ]);
    assert.equal(layer.content('12345').toString(), 'contents');
    assert.equal(layer.entry('12345').uid, 70_000);
    assert.equal(layer.entry('12345').gid, 80_000);
    assert.equal(layer.entry('after').name, 'after');
  });
  accepts({
    what: 'ignores global headers',
    tar: [
      {
        name: 'pax_global_header',
        type: 'g',
        content: Buffer.concat([paxRecord('path', '../evil'), paxRecord('size', '0')]),
      },
      { name: 'a', content: 'x' },
      { name: 'g', type: 'g', content: 'not even records' },
      { name: 'b' },
    ],
    entries: ['file a', 'file b'],
  });
});

describe('extended attributes', () => {
  const capability = Buffer.from('0100000280000000000000800000000000000000', 'hex');
  it('keeps the bytes of those that are allowed', async () => {
    const acl = Buffer.from('0200000001000600ffffffff04000400ffffffff20000400ffffffff', 'hex');
    const layer = await ingest([
      {
        name: 'f',
        xattrs: {
          'security.capability': capability,
          'user.bin': '\0\x80\xff\n\0',
          'user.empty': '',
        },
      },
      {
        name: 'd',
        type: 'directory',
        xattrs: { 'system.posix_acl_default': acl, 'system.posix_acl_access': acl },
      },
    ]);
    assert.deepEqual(layer.entry('f').xattrs, [
      { name: 'security.capability', value: capability },
      { name: 'user.bin', value: Buffer.from('\0\x80\xff\n\0', 'latin1') },
      { name: 'user.empty', value: Buffer.alloc(0) },
    ]);
    assert.equal(layer.entry('d').xattrs.length, 2);
    assert.deepEqual(layer.warnings, []);
  });
  it('drops what would be an order to the host, with one warning per class', async () => {
    const overlay = [
      'opaque',
      'redirect',
      'metacopy',
      'origin',
      'whiteout',
      'upper',
      'nlink',
      'overlay.opaque',
    ];
    const layer = await ingest([
      ...overlay.map((name) => ({
        name,
        type: 'directory',
        xattrs: { [`trusted.overlay.${name}`]: 'y', [`user.overlay.${name}`]: 'y' },
      })),
      {
        name: 'f',
        xattrs: {
          'security.selinux': 'x',
          'security.ima': 'x',
          'trusted.x': 'x',
          'com.apple.y': 'x',
        },
      },
      {
        name: 's',
        type: 'symlink',
        link: 'x',
        xattrs: { 'user.x': 'x', 'system.posix_acl_access': 'x' },
      },
    ]);
    assert.ok(layer.entries.every(({ xattrs }) => xattrs.length === 0));
    assert.deepEqual(layer.warnings.toSorted(), [
      'layer 1/1: ignored 1 extended attribute "com.*"',
      'layer 1/1: ignored 1 extended attribute "security.ima"',
      'layer 1/1: ignored 1 extended attribute "security.selinux"',
      'layer 1/1: ignored 1 extended attribute "system.posix_acl_access"',
      'layer 1/1: ignored 1 extended attribute "trusted.*"',
      'layer 1/1: ignored 1 extended attribute "user.*"',
      'layer 1/1: ignored 8 extended attributes "trusted.overlay.*"',
      'layer 1/1: ignored 8 extended attributes "user.overlay.*"',
    ]);
  });
  it('reads names with "=" and "%" as GNU tar writes them, and no other escapes', async () => {
    const names = ['user.a%3Db%253Dc', 'user.%41%3d%', 'trusted%25.overlay.opaque'];
    const layer = await ingest([
      { name: 'f', pax: Object.fromEntries(names.map((name) => [`SCHILY.xattr.${name}`, 'v'])) },
    ]);
    assert.deepEqual(
      layer.entry('f').xattrs.map(({ name }) => name),
      ['user.a=b%3Dc', 'user.%41%3d%'],
    );
  });
  refuses({
    what: 'two attributes that have one name once their escapes are read',
    tar: [{ name: 'f', xattrs: { 'user.a%': '1', 'user.a%25': '2' } }],
    code: 'LAYER_INVALID',
    says: /"SCHILY\.xattr\.user\.a%25" occurs twice/,
  });
  it('does not let a layer choose how many warnings there are', async () => {
    const tar = Array.from({ length: 500 }, (_, at) => ({
      name: `f${at}`,
      xattrs: { [`security.x${at}`]: 'x', [`n${at}.y`]: 'x' },
    }));
    const { warnings } = await ingest(tar);
    assert.ok(warnings.length > 1 && warnings.length < 30, `${warnings.length} warnings`);
  });
  // What the kernel sets and what it refuses; docker and umoci fail where it refuses.
  const capabilities: readonly (readonly [what: string, hex: string, isValid: boolean])[] = [
    ['of version 2', `01000002${'00'.repeat(16)}`, true],
    ['of version 3', `00000003${'00'.repeat(16)}e8030000`, true],
    ['of version 1', `01000001${'00'.repeat(8)}`, false],
    ['of version 3 for nobody', `00000003${'00'.repeat(16)}ffffffff`, false],
    ['of version 2 with the length of version 3', `00000002${'00'.repeat(20)}`, false],
    ['of version 255', `000000ff${'00'.repeat(16)}`, false],
    ['with unknown flags', `02000002${'00'.repeat(16)}`, false],
    ['without a version', '010000', false],
  ];
  for (const [what, hex, isValid] of capabilities) {
    const value = Buffer.from(hex, 'hex');
    const tar = [{ name: 'f', xattrs: { 'security.capability': value } }];
    it(`agrees with the kernel on a capability ${what}`, () => {
      const directory = mkdtempSync('/dev/shm/dray-capability-');
      try {
        const file = Buffer.from(join(directory, 'f'));
        writeFileSync(file, '');
        const set = () => setXattr(file, Buffer.from('security.capability'), value);
        if (isValid) set();
        else assert.throws(set, (error) => isErrno(error, 'EINVAL'));
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
    if (isValid) accepts({ what: `keeps a capability ${what}`, tar, entries: ['file f'] });
    else refuses({ what: `a capability ${what}`, tar, says: /"f" has a malformed capability/ });
  }
  // The kernel sets this one, and then neither reads it nor starts the file.
  refuses({
    what: 'a capability without bytes',
    tar: [{ name: 'f', xattrs: { 'security.capability': '' } }],
    says: /"f" has a malformed capability/,
  });
  refuses({
    what: 'an attribute without a name',
    tar: [{ name: 'f', xattrs: { 'user.': 'x' } }],
    says: /whose name has 5 bytes/,
  });
  refuses({
    what: 'an attribute with a name of 256 bytes',
    tar: [{ name: 'f', xattrs: { [`user.${'n'.repeat(251)}`]: 'x' } }],
    says: /whose name has 256 bytes/,
  });
  refuses({
    what: 'an attribute of 64 KiB',
    tar: [{ name: 'f', xattrs: { 'user.x': Buffer.alloc(65536) } }],
    says: /extended attribute of 65536 bytes; 65535 is the most/,
  });
  refuses({
    what: 'attributes of more than 128 KiB on one entry',
    tar: [{ name: 'f', xattrs: { 'user.a': Buffer.alloc(65535), 'user.b': Buffer.alloc(65535) } }],
    says: /131082 bytes of extended attributes/,
  });
});
