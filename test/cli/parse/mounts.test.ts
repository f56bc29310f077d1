import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMountFlag } from '../../../src/cli/parse/mount-flag.ts';
import { parseVolumeFlag } from '../../../src/cli/parse/mounts.ts';
import { EngineError } from '../../../src/core/errors.ts';
import type { MountRequest } from '../../../src/core/runtime/run-options.ts';

const BIND = {
  type: 'bind',
  source: '/s',
  destination: '/d',
  readOnly: false,
  createSource: true,
  recursive: true,
  propagation: 'rprivate',
} as const;
const VOLUME = {
  type: 'volume',
  name: 'vol',
  destination: '/d',
  readOnly: false,
  copyUp: true,
} as const;

function parse([flag, text]: readonly [flag: string, text: string]): MountRequest {
  return flag === '-v' ? parseVolumeFlag(text, '/cwd') : parseMountFlag(text, '/cwd');
}

describe('mounts on the command line', () => {
  const good: [given: [string, string], expected: MountRequest][] = [
    [
      ['-v', '/s:/d:ro,noexec,nosuid,nodev'],
      { ...BIND, readOnly: true, flags: ['noexec', 'nosuid', 'nodev'] },
    ],
    [['-v', '/s:/d:U,z'], { ...BIND, chown: true }],
    [['-v', '/s:/d:bind,slave'], { ...BIND, recursive: false, propagation: 'slave' }],
    [['-v', '/s:/d:rbind,rw,rw'], BIND],
    [['-v', 'vol:/d:U,noexec,copy'], { ...VOLUME, chown: true, flags: ['noexec'] }],
    [['--mount', 'type=BIND,src=/s,dst=/d,bind-create-src'], BIND],
    [['--mount', 'type=bind,src=/s,dst=/d,bind-create-src=true,consistency=cached'], BIND],
    [
      ['--mount', 'type=bind,src=/s,dst=/d,bind-create-src,bind-recursive=disabled'],
      { ...BIND, recursive: false },
    ],
    [
      ['--mount', 'type=bind,src=/s,dst=/d,bind-create-src,ro,bind-recursive=writable'],
      { ...BIND, readOnly: true, readOnlyBelow: 'never' },
    ],
    [
      ['--mount', 'type=bind,src=/s,dst=/d,bind-create-src,ro,bind-recursive=readonly'],
      { ...BIND, readOnly: true, readOnlyBelow: 'always' },
    ],
    [
      [
        '--mount',
        'src=vol,dst=/d,volume-driver=local,volume-label=a=1,volume-label=b,consistency=default',
      ],
      { ...VOLUME, labels: { a: '1', b: '' } },
    ],
    [['--mount', 'src=vol,dst=/d,volume-subpath=a/b'], { ...VOLUME, subpath: 'a/b' }],
    [
      ['--mount', 'src=,dst=/d'],
      { type: 'volume', destination: '/d', readOnly: false, copyUp: true },
    ],
  ];
  for (const [given, expected] of good) {
    it(`reads ${given.join(' ')}`, () => assert.deepEqual(parse(given), expected));
  }

  const bad: [name: string, given: [string, string], pattern: RegExp][] = [
    ['two words that exclude each other', ['-v', '/s:/d:ro,rw'], /"ro" and "rw" exclude/],
    ['exec beside noexec', ['-v', '/s:/d:exec,noexec'], /exclude/],
    ['two propagations', ['-v', '/s:/d:slave,rslave'], /exclude/],
    ['an overlay, as podman has it', ['-v', '/s:/d:O'], /"O" is not a mode/],
    ['a volume name of one character', ['-v', 'v:/d'], /neither a path/],
    ['a volume name of a dot', ['-v', 'a/../b:/d'], /neither a path/],
    ['a mount of an image', ['--mount', 'type=image,src=busybox,dst=/d'], /type "image"/],
    ['another driver', ['--mount', 'src=vol,dst=/d,volume-driver=nfs'], /driver "nfs"/],
    [
      'options of a driver',
      ['--mount', 'src=vol,dst=/d,volume-opt=type=tmpfs'],
      /takes no options/,
    ],
    [
      'a recursion that is none',
      ['--mount', 'type=bind,src=/s,dst=/d,bind-recursive=x'],
      /bind-recursive is "x"/,
    ],
    [
      'a read-only recursion of a writable bind',
      ['--mount', 'type=bind,src=/s,dst=/d,bind-recursive=readonly'],
      /needs readonly/,
    ],
    [
      'a read-only recursion that is not private',
      ['--mount', 'type=bind,src=/s,dst=/d,ro,bind-recursive=readonly,bind-propagation=rslave'],
      /needs bind-propagation/,
    ],
    [
      'two words about recursion',
      ['--mount', 'type=bind,src=/s,dst=/d,bind-nonrecursive,bind-recursive=disabled'],
      /exclude/,
    ],
    [
      'a subpath that climbs',
      ['--mount', 'src=vol,dst=/d,volume-subpath=a/../../b'],
      /not a path inside/,
    ],
    ['an absolute subpath', ['--mount', 'src=vol,dst=/d,volume-subpath=/a'], /not a path inside/],
    [
      'a subpath of a volume without a name',
      ['--mount', 'dst=/d,volume-subpath=a'],
      /without a source/,
    ],
  ];
  for (const [name, given, pattern] of bad) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => parse(given),
        (error) =>
          error instanceof EngineError &&
          error.code === 'USAGE_INVALID' &&
          pattern.test(error.message),
      );
    });
  }
});
