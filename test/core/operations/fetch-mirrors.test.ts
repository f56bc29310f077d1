import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EngineError, type ErrorCode } from '../../../src/core/errors.ts';
import { openEngine } from '../../../src/core/operations/engine.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { imageForRun } from '../../../src/core/operations/image-for-run.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { AuthHome, basicAuth } from '../../support/auth-files.ts';
import { seededBytes } from '../../support/fault-table.ts';
import { buildImage } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { type FaultHook, TestRegistry } from '../../support/test-registry.ts';

const large = seededBytes('mirrored', 2_000_000);
const image = buildImage({
  layers: [tarOf([{ name: 'large', content: large }])],
  compression: 'none',
});
const other = buildImage({ layers: [tarOf([{ name: 'other', content: 'other\n' }])] });
const layer = image.layers[0]?.descriptor.digest ?? image.imageId;
const update = { pullPolicy: 'update' } as const;
const NAME = 'images.example.com/app:v1';

/** An engine whose host has this registries.conf. */
function configured(temp: TempEngine, text: string): TempEngine['engine'] {
  const file = join(temp.directory, 'registries.conf');
  writeFileSync(file, text);
  const system = { file, directory: join(temp.directory, 'registries.conf.d') };
  return openEngine({ ...temp.engine.settings, registriesConf: { system } });
}

/** `images.example.com` is at `primary`, with mirrors in this order. */
function mirrored(primary: TestRegistry, mirrors: readonly TestRegistry[]): string {
  const tables = mirrors.map(({ host }) => `[[registry.mirror]]\nlocation = "${host}/mirrored"\n`);
  return `[[registry]]\nprefix = "images.example.com"\nlocation = "${primary.host}/real"\n${tables.join('')}`;
}

interface Three extends AsyncDisposable {
  readonly primary: TestRegistry;
  readonly first: TestRegistry;
  readonly second: TestRegistry;
}

/** The image is everywhere; the names below which it is differ. */
async function threeRegistries(): Promise<Three> {
  const [primary, first, second] = await Promise.all([
    TestRegistry.start(),
    TestRegistry.start(),
    TestRegistry.start(),
  ]);
  primary.addImage('real/app', 'v1', image);
  for (const mirror of [first, second]) mirror.addImage('mirrored/app', 'v1', image);
  return {
    primary,
    first,
    second,
    [Symbol.asyncDispose]: async () => {
      for (const registry of [primary, first, second]) await registry[Symbol.asyncDispose]();
    },
  };
}

async function assertSound({ engine }: TempEngine): Promise<void> {
  const results = await verifyImages(engine, []);
  assert.deepEqual(
    results.flatMap(({ problems }) => problems),
    [],
  );
}

describe('an image with mirrors', { concurrency: true }, () => {
  it('comes from the first, keeps the name that the user gave, and says where it comes from', async () => {
    await using three = await threeRegistries();
    using temp = tempEngine();
    const engine = configured(temp, mirrored(three.primary, [three.first, three.second]));
    const { onProgress } = temp;
    const fetched = await fetchImage(engine, NAME, { ...update, onProgress });
    assert.deepEqual(fetched, { imageId: image.imageId, reference: NAME, changed: true });
    assert.equal(three.second.requests.length + three.primary.requests.length, 0);
    const { first, second, primary } = three;
    assert.deepEqual(temp.events[0], {
      type: 'resolving',
      reference: NAME,
      source: `${first.host}, then ${second.host}, then ${primary.host}`,
    });
    const before = first.requests.length;
    assert.equal((await fetchImage(engine, NAME, update)).changed, false);
    assert.equal(first.requests.length, before + 1, 'one HEAD');
    await assertSound(temp);
  });

  const failures: { name: string; fault: FaultHook; isWarned: boolean }[] = [
    { name: 'lacks it', fault: () => ({ status: 404 }), isWarned: false },
    { name: 'is forbidden', fault: () => ({ status: 403 }), isWarned: true },
    { name: 'fails twice', fault: () => ({ status: 503 }), isWarned: true },
    { name: 'cuts every connection', fault: () => ({ reset: true }), isWarned: true },
    {
      name: 'shows a page instead',
      fault: () => ({ body: '<html>', headers: { 'content-type': 'text/html' } }),
      isWarned: true,
    },
    {
      name: 'gives bytes that do not have their digest',
      fault: ({ path }) => (path.includes('/manifests/') ? { flipByteAt: 1 } : undefined),
      isWarned: true,
    },
    {
      name: 'has the manifest and no blob',
      fault: ({ path }) => (path.includes('/blobs/') ? { status: 404 } : undefined),
      isWarned: false,
    },
    {
      name: 'has wrong bytes for a layer',
      fault: ({ path }) => (path.endsWith(layer) ? { flipByteAt: 1000 } : undefined),
      isWarned: false,
    },
    {
      name: 'has a layer of another length',
      fault: ({ path }) => (path.endsWith(layer) ? { shortenTo: 1000 } : undefined),
      isWarned: true,
    },
  ];
  for (const { name, fault, isWarned } of failures) {
    it(`comes from the next when the first ${name}`, async () => {
      await using three = await threeRegistries();
      using temp = tempEngine();
      const engine = configured(temp, mirrored(three.primary, [three.first, three.second]));
      three.first.fault = fault;
      const { onProgress } = temp;
      await fetchImage(engine, NAME, { ...update, onProgress });
      assert.ok(three.first.requests.length > 0);
      assert.ok(three.second.requests.length > 0);
      assert.equal(three.primary.requests.length, 0);
      const warnings = temp.events.filter(({ type }) => type === 'warning');
      assert.equal(warnings.length > 0, isWarned, JSON.stringify(warnings));
      assert.equal(listImages(engine)[0]?.reference, NAME);
      await assertSound(temp);
    });
  }

  it('goes on at the next with the bytes that it has when the first is cut for good', async () => {
    await using three = await threeRegistries();
    using temp = tempEngine();
    const engine = configured(temp, mirrored(three.primary, [three.first]));
    three.first.fault = ({ path }, count) => {
      if (!path.endsWith(layer)) return undefined;
      return count === 1 ? { cutAfterBytes: 900_000 } : { status: 403 };
    };
    await fetchImage(engine, NAME, update);
    const [request] = three.primary.requestsFor(layer);
    assert.match(String(request?.headers.range), /^bytes=[1-9][0-9]{3,5}-$/);
    await assertSound(temp);
  });

  it('that nobody has is an error that lists every place', async () => {
    await using three = await threeRegistries();
    using temp = tempEngine();
    const { first, primary } = three;
    const engine = configured(temp, mirrored(primary, [first]));
    first.fault = () => ({ status: 403 });
    await fails(fetchImage(engine, 'images.example.com/none:v1', update), 'REGISTRY_NOT_FOUND', [
      `"${first.host}/mirrored/none"`,
      `"${primary.host}/real/none"`,
      'status 403',
      'status 404',
    ]);
  });

  it('shows each place its own credentials and those of no other', async () => {
    await using three = await threeRegistries();
    using temp = tempEngine();
    using home = new AuthHome();
    const places = [three.first, three.second, three.primary];
    const authOf = ({ host }: TestRegistry) => basicAuth('user', `secret of ${host}`);
    home.write(home.docker, {
      auths: Object.fromEntries(places.map((place) => [place.host, authOf(place)])),
    });
    for (const place of places) {
      const challenge = { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
      const refusal = place === three.primary ? undefined : { status: 404 };
      place.fault = ({ headers }) => (headers.authorization === undefined ? challenge : refusal);
    }
    const { settings, store } = configured(
      temp,
      mirrored(three.primary, [three.first, three.second]),
    );
    await fetchImage(
      { settings: { ...settings, registries: home.settings() }, store },
      NAME,
      update,
    );
    for (const place of places) {
      const shown = place.requests.map(({ headers }) => headers.authorization);
      assert.deepEqual(new Set(shown), new Set([undefined, `Basic ${authOf(place).auth}`]));
    }
  });

  it('is not asked for where it is blocked', async () => {
    await using three = await threeRegistries();
    using temp = tempEngine();
    const text = `[[registry]]\nlocation = "${three.primary.host}"\nblocked = true\n`;
    const engine = configured(temp, text);
    const name = `${three.primary.host}/real/app:v1`;
    await fails(fetchImage(engine, name, update), 'REGISTRY_BLOCKED', [three.primary.host]);
    assert.equal(three.primary.requests.length, 0);
  });
});

describe('a short name', () => {
  async function searched(): Promise<Three & { readonly search: string }> {
    const three = await threeRegistries();
    const { first, second } = three;
    return Object.assign(three, {
      search: `unqualified-search-registries = ["${first.host}", "${second.host}/mirrored"]\n`,
    });
  }

  it('is looked for in the registries of the list, and named after the one that has it', async () => {
    await using three = await searched();
    using temp = tempEngine();
    const engine = configured(temp, three.search);
    const fetched = await fetchImage(engine, 'app:v1', update);
    assert.equal(fetched.reference, `${three.second.host}/mirrored/app:v1`);
    assert.deepEqual(
      three.first.requests.map(({ path }) => path),
      ['/v2/app/manifests/v1'],
    );
    const { length } = three.second.requests;
    for (const pullPolicy of ['new', 'never'] as const) {
      const again = await fetchImage(engine, 'app:v1', { pullPolicy });
      assert.deepEqual(again, { ...fetched, changed: false });
    }
    assert.equal(three.second.requests.length, length);
  });

  it('that is an alias is looked for nowhere else', async () => {
    await using three = await searched();
    using temp = tempEngine();
    const alias = `${three.search}[aliases]\napp = "${three.primary.host}/real/app"\n`;
    const engine = configured(temp, alias);
    const fetched = await fetchImage(engine, 'app:v1', update);
    assert.equal(fetched.reference, `${three.primary.host}/real/app:v1`);
    await fails(fetchImage(engine, 'app:v9', update), 'REGISTRY_NOT_FOUND', ['app:v9']);
    assert.equal(three.first.requests.length + three.second.requests.length, 0);
  });

  it('that no registry has is an error that lists all', async () => {
    await using three = await searched();
    using temp = tempEngine();
    const engine = configured(temp, three.search);
    const { first, second } = three;
    await fails(fetchImage(engine, 'none', update), 'REGISTRY_NOT_FOUND', [
      first.host,
      second.host,
    ]);
  });

  it('that one registry has and cannot give is an error, not another image of that name', async () => {
    await using three = await searched();
    using temp = tempEngine();
    const engine = configured(temp, three.search);
    three.first.addImage('app', 'v1', image);
    three.first.fault = ({ path }) => (path.endsWith(layer) ? { status: 403 } : undefined);
    three.second.addImage('mirrored/app', 'v1', other);
    await fails(fetchImage(engine, 'app:v1', update), 'REGISTRY_UNAUTHORIZED', [layer]);
    assert.equal(three.second.requests.length, 0);
  });

  it('is found in the store as an image of docker.io without a look at the configuration', async () => {
    await using registry = await TestRegistry.start();
    registry.addImage('hub/library/app', 'v1', other);
    using temp = tempEngine();
    const hub = `[[registry]]\nprefix = "docker.io"\nlocation = "${registry.host}/hub"\n`;
    const fetched = await fetchImage(configured(temp, hub), 'app:v1', update);
    assert.equal(fetched.reference, 'docker.io/library/app:v1');
    // Whoever looked at this would fail.
    const broken = configured(temp, 'this is no TOML');
    for (const image of ['app:v1', 'library/app:v1', 'docker.io/app:v1']) {
      const found = await imageForRun(broken, { image, pullPolicy: 'new' });
      assert.equal(found.reference, fetched.reference);
    }
    const again = await fetchImage(broken, 'app:v1', { pullPolicy: 'new' });
    assert.equal(again.changed, false);
    await fails(fetchImage(broken, 'app:v2', { pullPolicy: 'new' }), 'CONFIG_INVALID', ['TOML']);
  });

  it('is found by run under the name that it was fetched as', async () => {
    await using three = await searched();
    using temp = tempEngine();
    const engine = configured(temp, three.search);
    const fetched = await fetchImage(engine, 'app:v1', update);
    const { length } = three.second.requests;
    const found = await imageForRun(engine, { image: 'app:v1', pullPolicy: 'new' });
    assert.equal(found.reference, fetched.reference);
    assert.equal(three.second.requests.length, length);
  });
});

describe('drop-ins', () => {
  it('of the system directory count', async () => {
    await using registry = await TestRegistry.start();
    registry.addImage('app', 'v1', other);
    using temp = tempEngine();
    const engine = configured(temp, '');
    mkdirSync(join(temp.directory, 'registries.conf.d'));
    const dropIn = join(temp.directory, 'registries.conf.d', '50-short.conf');
    writeFileSync(dropIn, `[aliases]\nthing = "${registry.host}/app"\n`);
    const fetched = await fetchImage(engine, 'thing:v1', update);
    assert.equal(fetched.reference, `${registry.host}/app:v1`);
  });
});

async function fails(
  work: Promise<unknown>,
  code: ErrorCode,
  parts: readonly string[],
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof EngineError, String(error));
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), `${part}: ${error.message}`);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}
