import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { formatReference, isShortName, parseReference } from '../../../src/core/oci/reference.ts';
import { pullEndpoints } from '../../../src/core/registry/pull-endpoints.ts';
import {
  loadRegistriesConf,
  NO_REGISTRIES_CONF,
  type RegistriesConf,
  type RegistriesConfPaths,
} from '../../../src/core/registry/registries-conf.ts';
import { expandShortName } from '../../../src/core/registry/short-names.ts';
import { engineError } from '../../support/engine-errors.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'dray-registries-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Writes files below the directory, and reads the configuration that they make. */
async function load(files: Readonly<Record<string, string>>): Promise<RegistriesConf> {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return loadRegistriesConf(paths());
}

function paths(): RegistriesConfPaths {
  return {
    system: { file: join(directory, 'main.conf'), directory: join(directory, 'main.d') },
    user: { file: join(directory, 'user.conf'), directory: join(directory, 'user.d') },
    shortNameCache: join(directory, 'cache.conf'),
  };
}

const search = (...registries: string[]): string =>
  `unqualified-search-registries = ${JSON.stringify(registries)}\n`;

describe('registries.conf', () => {
  it('says nothing where there is none, or only comments', async () => {
    assert.deepEqual(await load({}), NO_REGISTRIES_CONF);
    assert.deepEqual(
      await load({ 'main.conf': '# a comment\n\n  # and one more' }),
      NO_REGISTRIES_CONF,
    );
  });

  const merged: [name: string, files: Record<string, string>, expected: readonly string[]][] = [
    ['the main file alone', { 'main.conf': search('a.io', 'b.io') }, ['a.io', 'b.io']],
    [
      'drop-ins in the order of their names, the last wins',
      {
        'main.conf': search('a.io'),
        'main.d/20.conf': search('c.io'),
        'main.d/10.conf': search('b.io'),
      },
      ['c.io'],
    ],
    [
      'a drop-in that says something else leaves the list',
      { 'main.conf': search('a.io'), 'main.d/10.conf': 'short-name-mode = "disabled"' },
      ['a.io'],
    ],
    ['an empty list is an answer', { 'main.conf': search('a.io'), 'main.d/1.conf': search() }, []],
    ['other names are no drop-ins', { 'main.d/1.conf.bak': search('a.io') }, ['docker.io']],
    [
      "the user's drop-ins come after the system's",
      { 'main.d/99.conf': search('a.io'), 'user.d/1.conf': search('b.io') },
      ['b.io'],
    ],
    [
      "the user's file takes the place of everything of the system",
      { 'main.conf': search('a.io'), 'main.d/1.conf': search('b.io'), 'user.conf': '# mine' },
      ['docker.io'],
    ],
    [
      'version 1',
      { 'main.conf': "[registries.search]\nregistries = ['a.io', 'b.io/team']" },
      ['a.io', 'b.io/team'],
    ],
  ];
  for (const [name, files, expected] of merged) {
    it(`is read as podman reads it: ${name}`, async () => {
      assert.deepEqual((await load(files)).searchRegistries, expected);
    });
  }

  it('replaces a registry by its prefix, and an alias by its name', async () => {
    const conf = await load({
      'main.conf':
        '[[registry]]\nlocation = "a.io"\nblocked = true\n[[registry]]\nlocation = "b.io"\nblocked = true\n[aliases]\nx = "a.io/x"\ny = "a.io/y"\nz = "a.io/z"',
      'main.d/1.conf':
        '[[registry]]\nprefix = "a.io"\nlocation = "c.io/a"\n[aliases]\nx = "b.io/x"\ny = ""',
      'cache.conf': '[aliases]\nz = "d.io/z"\n[[registry]]\nlocation = "evil.io"\nblocked = true',
    });
    assert.deepEqual(
      [...conf.rules.values()].map(({ prefix, location, isBlocked }) => [
        prefix,
        location,
        isBlocked,
      ]),
      [
        ['a.io', 'c.io/a', false],
        ['b.io', 'b.io', true],
      ],
    );
    assert.deepEqual(
      [...conf.aliases],
      [
        ['x', 'b.io/x'],
        ['z', 'd.io/z'],
      ],
    );
  });

  it('takes the lists of version 1', async () => {
    const conf = await load({
      'main.conf':
        "[registries.insecure]\nregistries = ['i.io']\n[registries.block]\nregistries = ['b.io']",
    });
    const flags = [...conf.rules.values()].map((rule) => [
      rule.prefix,
      rule.isInsecure,
      rule.isBlocked,
    ]);
    assert.deepEqual(flags, [
      ['i.io', true, false],
      ['b.io', false, true],
    ]);
  });

  const wrong: [name: string, text: string, message: RegExp][] = [
    ['no TOML', 'x = [1,', /main\.conf" is not valid TOML at line 1/],
    ['a search list that is a text', 'unqualified-search-registries = "a.io"', /no list of texts/],
    ['a search list of numbers', 'unqualified-search-registries = [1]', /no list of texts/],
    ['a URL', search('https://a.io'), /"https:\/\/a\.io"; expected HOST/],
    [
      'a registry without anything',
      '[[registry]]\nblocked = true',
      /\[\[registry\]\] 1 of .* neither a prefix/,
    ],
    ['a prefix without location', '[[registry]]\nprefix = "a.io"', /no location/],
    [
      'a wildcard in the middle',
      '[[registry]]\nprefix = "a.*.io"\nlocation = "b.io"',
      /"a\.\*\.io"/,
    ],
    ['a wildcard with a path', '[[registry]]\nprefix = "*.a.io/x"', /wildcard such as/],
    [
      'a flag that is a text',
      '[[registry]]\nlocation = "a.io"\nblocked = "yes"',
      /neither true nor false/,
    ],
    [
      'a mirror without location',
      '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\ninsecure = true',
      /\[\[mirror\]\] 1 of .* no location/,
    ],
    [
      'a pull-from-mirror of its own',
      '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "some"',
      /"some"; expected "all"/,
    ],
    [
      'two rules for when mirrors serve',
      '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "all"',
      /beside the "mirror-by-digest-only"/,
    ],
    [
      'pull-from-mirror of the registry',
      '[[registry]]\nlocation = "a.io"\npull-from-mirror = "all"',
      /belongs to a \[\[registry\.mirror\]\]/,
    ],
    [
      'one prefix twice, blocked and not',
      '[[registry]]\nlocation = "a.io"\n[[registry]]\nlocation = "a.io"\nblocked = true',
      /"a\.io" twice/,
    ],
    ['an alias with a tag', '[aliases]\n"x:1" = "a.io/x"', /"x:1"; expected one without/],
    [
      'an alias that names a registry',
      '[aliases]\n"a.io/x" = "a.io/y"',
      /expected one without registry/,
    ],
    ['an alias that leads to a short name', '[aliases]\nx = "y"', /expected REGISTRY\/REPOSITORY/],
    ['a mode that is none', 'short-name-mode = "ask"', /"ask"; expected "enforcing"/],
    ['both versions', `${search('a.io')}[registries.search]\nregistries = ["a.io"]`, /version 1/],
    ['tables that are none', 'registry = 1', /no \[\[registry\]\] tables/],
  ];
  for (const [name, text, message] of wrong) {
    it(`is refused, naming file and key: ${name}`, async () => {
      await assert.rejects(load({ 'main.conf': text }), engineError('CONFIG_INVALID', message));
    });
  }

  it('is refused when it is no file, or too large; a drop-in of version 1 is refused, too', async () => {
    const large = `# ${'x'.repeat(1024 * 1024)}`;
    await assert.rejects(load({ 'main.conf': large }), engineError('CONFIG_INVALID', /at most/));
    const old = "[registries.search]\nregistries = ['a.io']";
    await assert.rejects(
      load({ 'main.conf': '', 'main.d/1.conf': old }),
      engineError('CONFIG_INVALID', /1\.conf" is of version 1/),
    );
    rmSync(join(directory, 'main.d/1.conf'));
    rmSync(join(directory, 'main.conf'));
    symlinkSync('/dev/zero', join(directory, 'main.conf'));
    await assert.rejects(load({}), engineError('CONFIG_INVALID', /expected a file/));
  });

  it('treats keys of an attacker as names', async () => {
    const conf = await load({
      'main.conf': '[aliases]\n"constructor" = "a.io/x"\n[__proto__]\nblocked = true',
    });
    assert.deepEqual([...conf.aliases], [['constructor', 'a.io/x']]);
    assert.equal(Object.hasOwn(Object.prototype, 'blocked'), false);
  });
});

describe('a configuration that is named', () => {
  it('is an error where there is none, and none elsewhere', async () => {
    const named = { ...paths(), system: { ...paths().system, isNamed: true } };
    const attempt = loadRegistriesConf(named);
    await assert.rejects(attempt, engineError('CONFIG_INVALID', /no registry configuration.*main/));
    assert.deepEqual(await loadRegistriesConf(paths()), NO_REGISTRIES_CONF);
    assert.deepEqual([...(await load({ 'main.conf': search('a.io') })).searchRegistries], ['a.io']);
    assert.deepEqual([...(await loadRegistriesConf(named)).searchRegistries], ['a.io']);
  });
});

const RULES = `
[[registry]]
prefix = "example.com/foo"
location = "internal.example.net/bar"
[[registry.mirror]]
location = "mirror-0.local/for-foo"
[[registry.mirror]]
location = "mirror-1.local:5000"
insecure = true
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "mirror-2.local"
pull-from-mirror = "tag-only"
[[registry]]
prefix = "example.com/foo/deep"
location = "deep.example.net"
[[registry]]
location = "example.com"
insecure = true
[[registry]]
prefix = "*.wild.org"
[[registry.mirror]]
location = "wild-mirror.local"
[[registry]]
prefix = "*.moved.org"
location = "moved.example.net"
[[registry]]
prefix = "*.ported.org:5000"
location = "ported.example.net"
[[registry]]
location = "bad.org"
blocked = true
[[registry]]
prefix = "*.worse.org"
blocked = true
[[registry]]
prefix = "bad.org/good"
location = "bad.org/good"
[[registry]]
location = "digests.org"
mirror-by-digest-only = true
[[registry.mirror]]
location = "digest-mirror.local"
[[registry]]
prefix = "tagged.org/app:1"
location = "elsewhere.org/app:2"
[[registry]]
prefix = "docker.io/library"
location = "hub-mirror.local/official"
`;
const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('the places of a reference', () => {
  const rows: [reference: string, places: readonly string[]][] = [
    ['other.org/app:1', ['other.org/app']],
    ['example.com/app:1', ['example.com/app (insecure)']],
    ['example.com:5000/app:1', ['example.com:5000/app']],
    ['example.community/app:1', ['example.community/app']],
    [
      'example.com/foo/image:1',
      ['mirror-0.local/for-foo/image', 'mirror-2.local/image', 'internal.example.net/bar/image'],
    ],
    [
      `example.com/foo/image@${DIGEST}`,
      [
        'mirror-0.local/for-foo/image',
        'mirror-1.local:5000/image (insecure)',
        'internal.example.net/bar/image',
      ],
    ],
    ['example.com/foo:1', ['mirror-0.local/for-foo', 'mirror-2.local', 'internal.example.net/bar']],
    ['example.com/foobar:1', ['example.com/foobar (insecure)']],
    ['example.com/foo/deep/er:1', ['deep.example.net/er']],
    ['a.b.wild.org/x:1', ['wild-mirror.local/x', 'a.b.wild.org/x']],
    ['a.wild.org:5000/x:1', ['wild-mirror.local:5000/x', 'a.wild.org:5000/x']],
    ['wild.org/x:1', ['wild.org/x']],
    ['a.ported.org:5000/x:1', ['ported.example.net/x']],
    ['a.ported.org:5001/x:1', ['a.ported.org:5001/x']],
    ['notwild.org/x:1', ['notwild.org/x']],
    ['a.moved.org/x/y:1', ['moved.example.net/x/y']],
    ['bad.org/good/x:1', ['bad.org/good/x']],
    ['digests.org/x:1', ['digests.org/x']],
    [`digests.org/x@${DIGEST}`, ['digest-mirror.local/x', 'digests.org/x']],
    ['tagged.org/app:2', ['tagged.org/app']],
    ['busybox', ['hub-mirror.local/official/busybox']],
    ['docker.io/user/app', ['docker.io/user/app']],
  ];
  for (const [reference, places] of rows) {
    // A bare host is no repository: what the rule makes of it cannot be asked for.
    const isImpossible = places.includes('mirror-2.local');
    it(`are ${isImpossible ? 'refused' : 'found'} for ${reference}`, async () => {
      const conf = await load({ 'main.conf': RULES });
      const found = () =>
        pullEndpoints(parseReference(reference), conf).map(
          ({ registry, repository, isInsecure }) =>
            `${registry}/${repository}${isInsecure ? ' (insecure)' : ''}`,
        );
      if (isImpossible) assert.throws(found, engineError('CONFIG_INVALID', /mirror-2\.local/));
      else assert.deepEqual(found(), places);
    });
  }

  it('are none for what is blocked, and the message names file and prefix', async () => {
    const conf = await load({ 'main.conf': RULES });
    const bad = ['bad.org/x:1', 'bad.org/goods:1', `bad.org/x@${DIGEST}`, 'bad.org:5000/x:1'];
    const worse = ['a.worse.org/x:1', 'a.worse.org:5000/x:1', 'a.b.worse.org:80/x:1'];
    for (const name of [...bad, ...worse]) {
      assert.throws(
        () => pullEndpoints(parseReference(name), conf),
        engineError('REGISTRY_BLOCKED', /main\.conf" blocks "(bad|\*\.worse)\.org"/),
        name,
      );
    }
    assert.equal(pullEndpoints(parseReference('worse.org/x:1'), conf).length, 1);
  });
});

describe('a name without a registry', () => {
  const conf: RegistriesConf = {
    ...NO_REGISTRIES_CONF,
    searchRegistries: ['quay.io', 'localhost:5000/team', 'docker.io'],
    aliases: new Map([
      ['fedora', 'registry.example.org/fedora'],
      ['a/b', 'quay.io/c/d'],
    ]),
  };
  const rows: [input: string, expected: readonly string[]][] = [
    ['fedora', ['registry.example.org/fedora:latest']],
    ['fedora:40', ['registry.example.org/fedora:40']],
    [`fedora@${DIGEST}`, [`registry.example.org/fedora@${DIGEST}`]],
    ['a/b:1', ['quay.io/c/d:1']],
    ['b:1', ['quay.io/b:1', 'localhost:5000/team/b:1', 'docker.io/library/b:1']],
    ['x/y', ['quay.io/x/y:latest', 'localhost:5000/team/x/y:latest', 'docker.io/x/y:latest']],
  ];
  for (const [input, expected] of rows) {
    it(`means ${expected.join(' or ')}: ${input}`, () => {
      assert.ok(isShortName(input));
      assert.deepEqual(expandShortName(input, conf).map(formatReference), expected);
    });
  }

  it('means docker.io where nothing is configured', () => {
    assert.deepEqual(expandShortName('busybox', NO_REGISTRIES_CONF).map(formatReference), [
      'docker.io/library/busybox:latest',
    ]);
  });

  it('is told from one with a registry', () => {
    for (const name of ['a.b/c', 'localhost/c', 'h:5000/c', 'docker://busybox']) {
      assert.equal(isShortName(name), false, name);
    }
  });

  it('is an error where nothing is to be searched, or somebody would have to choose', () => {
    assert.throws(
      () => expandShortName('x', { ...conf, searchRegistries: [] }),
      engineError('REFERENCE_INVALID', /no registries to search/),
    );
    assert.throws(
      () => expandShortName('x', { ...conf, shortNameMode: 'enforcing' }),
      engineError('REFERENCE_INVALID', /"enforcing".*"quay\.io", "localhost:5000\/team"/),
    );
    const one = { ...conf, searchRegistries: ['quay.io'], shortNameMode: 'enforcing' } as const;
    assert.equal(expandShortName('x', one).length, 1);
    assert.throws(() => expandShortName('X', conf), engineError('REFERENCE_INVALID', /lowercase/));
  });
});
