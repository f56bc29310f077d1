import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '../../../src/core/oci/descriptor.ts';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/core/oci/media-type.ts';
import {
  formatPlatform,
  hostPlatform,
  parsePlatform,
  runsOn,
  selectByPlatform,
} from '../../../src/core/oci/platform.ts';
import { engineError } from '../../support/engine-errors.ts';

let serial = 0;

function offered(platform: string | undefined, fields: Partial<Descriptor> = {}): Descriptor {
  serial += 1;
  const [os = '', architecture = '', variant] = platform?.split('/') ?? [];
  const parts = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  return {
    mediaType: OCI_MANIFEST,
    digest: digestOf(`manifest ${serial}`),
    size: serial,
    ...(platform === undefined ? {} : { platform: parts }),
    ...fields,
  };
}

describe('parsePlatform', () => {
  const rows: [input: string, formatted: string][] = [
    ['linux/amd64', 'linux/amd64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm/v6', 'linux/arm/v6'],
    ['linux/arm/v7', 'linux/arm'],
    ['linux/aarch64', 'linux/arm64'],
    ['LINUX/X86_64', 'linux/amd64'],
    ['linux/armel', 'linux/arm/v6'],
    ['riscv64', 'linux/riscv64'],
    ['windows/amd64', 'windows/amd64'],
  ];
  for (const [input, formatted] of rows) {
    it(`reads ${input}`, () => assert.equal(formatPlatform(parsePlatform(input)), formatted));
  }
  for (const input of [
    '',
    '/',
    'linux/',
    '/amd64',
    'a/b/c/d',
    'linux/am d64',
    'linux/\x1b[2J',
    'x'.repeat(500),
  ]) {
    it(`refuses ${JSON.stringify(input.slice(0, 20))}`, () => {
      assert.throws(() => parsePlatform(input), engineError('USAGE_INVALID'));
    });
  }
  it('knows the platform of this machine', () => {
    assert.equal(parsePlatform(formatPlatform(hostPlatform())).os, 'linux');
    assert.notEqual(hostPlatform().architecture, 'x64');
  });
});

describe('selectByPlatform', () => {
  const rows: [name: string, wanted: string, offers: (string | undefined)[], chosen: number][] = [
    ['the only match', 'linux/amd64', ['linux/arm64', 'linux/amd64', 'windows/amd64'], 1],
    ['the first of two equal ones', 'linux/amd64', ['linux/amd64', 'linux/amd64'], 0],
    ['past attestations', 'linux/amd64', ['unknown/unknown', 'linux/amd64'], 1],
    [
      'arm v7 before v6 and v5',
      'linux/arm/v7',
      ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7'],
      2,
    ],
    ['the nearest lower arm variant', 'linux/arm/v7', ['linux/arm/v5', 'linux/arm/v6'], 1],
    ['arm v6 for v6, not v7', 'linux/arm/v6', ['linux/arm/v7', 'linux/arm/v6'], 1],
    ['arm without a variant as v7', 'linux/arm/v7', ['linux/arm/v6', 'linux/arm'], 1],
    ['arm64 without a variant as v8', 'linux/arm64/v8', ['linux/arm64'], 0],
    ['arm64 v8 for none', 'linux/arm64', ['linux/arm64/v8'], 0],
    ['plain amd64 on v3', 'linux/amd64/v3', ['linux/amd64', 'linux/amd64/v4', 'linux/amd64/v2'], 2],
    ['what names no platform when none does', 'linux/amd64', [undefined, undefined], 0],
    ['an alias in the index', 'linux/amd64', ['linux/arm64', 'linux/x86_64'], 1],
  ];
  for (const [name, wanted, offers, chosen] of rows) {
    it(`chooses ${name}`, () => {
      const descriptors = offers.map((platform) => offered(platform));
      assert.equal(selectByPlatform(descriptors, parsePlatform(wanted)), descriptors[chosen]);
    });
  }

  const refused: [name: string, wanted: string, offers: Descriptor[], message: RegExp][] = [
    [
      'another architecture',
      'linux/amd64',
      [offered('linux/arm64'), offered('linux/s390x')],
      /"linux\/arm64", "linux\/s390x"/,
    ],
    [
      'a higher variant',
      'linux/arm/v6',
      [offered('linux/arm/v7')],
      /offered for "linux\/arm\/v7"|offered for "linux\/arm"/,
    ],
    ['a higher amd64 variant', 'linux/amd64', [offered('linux/amd64/v3')], /amd64\/v3/],
    ['only attestations', 'linux/amd64', [offered('unknown/unknown')], /no platform at all/],
    [
      'attestations by annotation',
      'linux/amd64',
      [
        offered('linux/amd64', {
          annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
        }),
      ],
      /no platform/,
    ],
    ['an empty index', 'linux/amd64', [], /no platform at all/],
    [
      'no platform beside another one',
      'linux/amd64',
      [offered(undefined), offered('linux/arm64')],
      /"linux\/arm64"/,
    ],
    ['a hostile variant', 'linux/amd64', [offered('linux/amd64/\x1b[2Jv1')], /\\x1b/],
    [
      '10,000 platforms',
      'linux/amd64',
      Array.from({ length: 10_000 }, (_, at) => offered(`linux/cpu${at}`)),
      /cpu0/,
    ],
  ];
  for (const [name, wanted, offers, message] of refused) {
    it(`refuses ${name} and says what is offered`, () => {
      assert.throws(
        () => selectByPlatform(offers, parsePlatform(wanted)),
        engineError('PLATFORM_NOT_FOUND', message),
      );
    });
  }

  it('ignores os.version on Linux', () => {
    const descriptor = offered('linux/amd64');
    const versioned = {
      ...descriptor,
      platform: { os: 'linux', architecture: 'amd64', 'os.version': '9' },
    };
    assert.equal(selectByPlatform([versioned], parsePlatform('linux/amd64')), versioned);
  });
});

describe('runsOn', () => {
  it('is true for the same and lower variants only', () => {
    assert.ok(
      runsOn({ os: 'linux', architecture: 'arm', variant: 'v6' }, parsePlatform('linux/arm/v7')),
    );
    assert.ok(
      !runsOn({ os: 'linux', architecture: 'arm', variant: 'v8' }, parsePlatform('linux/arm/v7')),
    );
    assert.ok(!runsOn({ os: 'windows', architecture: 'amd64' }, parsePlatform('linux/amd64')));
  });
});
