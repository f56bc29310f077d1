import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { resolveUser } from '../../../src/core/runtime/user.ts';
import { type RootEntry, TestRoot } from './root-fixture.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/sh
# a comment
guest:x:405:100:guest:/dev/null:/sbin/nologin
app:x:1000:1000::/home/app:/bin/sh
1001:x:2002:2002::/named-like-a-number:/bin/sh
wrap:x:4294967296:0::/:/bin/sh
negative:x:-1:0::/:/bin/sh
homeless:x:1500:1500
broken
`;
const GROUP = `root:x:0:root
users:x:100:games
audio:x:29:app,guest
wheel:x:10:root,app
app:x:1000:
`;
const ACCOUNTS = { 'etc/passwd': PASSWD, 'etc/group': GROUP };

function resolve(specification: string, groupAdd: string[] = [], entries = ACCOUNTS) {
  using root = new TestRoot(entries);
  return resolveUser(root.handle, specification, groupAdd);
}

describe('resolveUser', () => {
  const rows: [name: string, spec: string, groupAdd: string[], expected: object][] = [
    ['nothing is root, with its groups', '', [], { uid: 0, gid: 0, additionalGids: [0, 10] }],
    [
      'a name has all its groups',
      'app',
      [],
      { uid: 1000, gid: 1000, additionalGids: [1000, 29, 10] },
    ],
    [
      'a number is looked up too',
      '1000',
      [],
      { uid: 1000, gid: 1000, additionalGids: [1000, 29, 10], home: '/home/app' },
    ],
    [
      'a group given replaces the others',
      'app:audio',
      [],
      { uid: 1000, gid: 29, additionalGids: [29] },
    ],
    [
      'a group number need not exist',
      'app:4711',
      [],
      { uid: 1000, gid: 4711, additionalGids: [4711] },
    ],
    [
      'an unknown number has group 0 and home /',
      '4711',
      [],
      { uid: 4711, gid: 0, additionalGids: [0], home: '/' },
    ],
    ['an empty group is no group', 'app:', [], { uid: 1000, gid: 1000 }],
    ['a group alone is one of root', ':audio', [], { uid: 0, gid: 29, additionalGids: [29] }],
    [
      'groups are added by name and number',
      'app:app',
      ['audio', '7', '1000'],
      { additionalGids: [1000, 29, 7] },
    ],
    ['the first match in the file wins', '1001', [], { uid: 2002, gid: 2002 }],
    ['an entry without a home has /', 'homeless', [], { uid: 1500, home: '/' }],
    [
      'the largest number is taken',
      '2147483647:2147483647',
      [],
      { uid: 2147483647, gid: 2147483647 },
    ],
  ];
  for (const [name, spec, groupAdd, expected] of rows) {
    it(name, () => assert.partialDeepStrictEqual(resolve(spec, groupAdd), expected));
  }

  const refused: [name: string, spec: string, groupAdd?: string[]][] = [
    ['a negative number', '-1000'],
    ['a number that would wrap to a negative one', '2147483648'],
    ['a number that would wrap to 4294967295', '4294967295'],
    ['a number of 36 digits', '9'.repeat(36)],
    ['a group out of range', '405:2147483648'],
    ['a negative group', 'app:-1'],
    ['hexadecimal', '0x0'],
    ['a leading blank', ' 0'],
    ['an exponent', '1e3'],
    ['a sign', '+0'],
    ['a fraction', '0.0'],
    ['a trailing blank', 'root '],
    ['unicode digits', '٠'],
    ['a newline', 'root\n'],
    ['a name that is missing', 'nobody'],
    ['a group name that is missing', 'guest:nobody'],
    ['an added group that is missing', 'app', ['nobody']],
    ['an added group out of range', 'app', ['4294967296']],
    ['a name whose number in the file would wrap to root', 'wrap'],
    ['a name whose number in the file is negative', 'negative'],
    ['a second colon', 'app:audio:x'],
  ];
  for (const [name, spec, groupAdd] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => resolve(spec, groupAdd),
        (error) => error instanceof EngineError && error.code === 'USAGE_INVALID',
      );
    });
  }

  it('knows numbers only in an image without account files', () => {
    using root = new TestRoot({ etc: null });
    assert.deepEqual(resolveUser(root.handle, '5:6', []).additionalGids, [6]);
    assert.equal(resolveUser(root.handle, '', []).uid, 0);
    assert.throws(() => resolveUser(root.handle, 'root', []), EngineError);
  });

  const outside: [name: string, entries: Record<string, RootEntry>][] = [
    ['an absolute link', { 'etc/passwd': { link: '/outside-passwd' } }],
    ['a link with ..', { 'etc/passwd': { link: '../../outside-passwd' } }],
    ['a link of the directory', { etc: { link: '../..' } }],
    ['a link through /proc', { 'etc/passwd': { link: '/proc/self/root/outside-passwd' } }],
  ];
  for (const [name, entries] of outside) {
    it(`never reads the host's accounts through ${name}`, () => {
      using root = new TestRoot(entries);
      for (const file of ['outside-passwd', 'passwd']) {
        writeFileSync(join(root.outside, file), 'intruder:x:666:666::/:/bin/sh\n');
      }
      assert.throws(() => resolveUser(root.handle, 'intruder', []), EngineError);
      assert.equal(resolveUser(root.handle, '666', []).gid, 0);
    });
  }

  it('follows a link that stays inside', () => {
    using root = new TestRoot({
      'usr/etc/passwd': 'app:x:7:8::/:/bin/sh\n',
      'etc/passwd': { link: '/usr/etc/passwd' },
    });
    assert.equal(resolveUser(root.handle, 'app', []).uid, 7);
  });
});
