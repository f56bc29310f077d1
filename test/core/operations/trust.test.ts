import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import type { Digest } from '../../../src/core/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/core/oci/media-type.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { imageForRun } from '../../../src/core/operations/image-for-run.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { tagImage } from '../../../src/core/operations/tag-image.ts';
import {
  removeTrustRule,
  setTrustDefault,
  setTrustRule,
} from '../../../src/core/operations/trust-policy.ts';
import {
  referrersTagOf,
  SIGNATURE_ANNOTATION,
  SIMPLE_SIGNING,
  signatureTagOf,
} from '../../../src/core/trust/signature-manifest.ts';
import { signBytes } from '../../../src/core/trust/signing-key.ts';
import { encodePayload } from '../../../src/core/trust/simple-signing.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage, buildIndex } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import {
  addBundle,
  addRawSignature,
  addSignatures,
  bundleOf,
  type TestKey,
  testKey,
} from '../../support/signed-images.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const image = buildImage({ layers: [tarOf([{ name: 'hello', content: 'hello\n' }])] });
const other = buildImage({ layers: [tarOf([{ name: 'other', content: 'other\n' }])] });
const { digest } = image.manifest.descriptor;
const KEY = testKey();
const STRANGER = testKey();
const update = { pullPolicy: 'update' } as const;

/** A registry with an image, and an engine with a policy file. */
interface Scene extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly temp: TempEngine;
  readonly reference: string;
  /** `127.0.0.1:PORT/app` */
  readonly repository: string;
  fetch(options?: { ignoresSignatures?: boolean }): Promise<{ changed: boolean }>;
  run(options?: { ignoresSignatures?: boolean; pullPolicy?: 'never' }): Promise<unknown>;
  require(key: TestKey, prefix?: string): Promise<void>;
  sign(key: TestKey, of?: Digest, identity?: string): void;
}

async function scene(): Promise<Scene> {
  const registry = await TestRegistry.start();
  const plain = tempEngine();
  const temp = {
    ...plain,
    engine: {
      ...plain.engine,
      settings: {
        ...plain.engine.settings,
        trustPolicyFile: join(plain.directory, 'etc', 'trust.json'),
        containersPolicyFile: join(plain.directory, 'policy.json'),
      },
    },
  };
  const reference = registry.addImage('app', 'v1', image);
  const repository = `${registry.host}/app`;
  const { onProgress } = temp;
  return {
    registry,
    temp,
    reference,
    repository,
    fetch: (options = {}) =>
      fetchImage(temp.engine, reference, { ...update, onProgress, ...options }),
    run: (options = {}) =>
      imageForRun(temp.engine, { image: reference, pullPolicy: 'new', onProgress, ...options }),
    require: async (key, prefix = repository) => {
      const keys = [{ label: 'team.pub', pem: key.publicPem }];
      await setTrustRule(temp.engine.settings, prefix, { type: 'cosign', keys });
    },
    sign: (key, of = digest, identity = `${repository}:v1`) =>
      addSignatures(registry, [key], { repository: 'app', digest: of, identity }),
    [Symbol.asyncDispose]: async () => {
      temp[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

function refusal(message: RegExp) {
  return engineError('TRUST_REFUSED', message);
}

function assertEmpty({ temp, registry }: Scene): void {
  assert.deepEqual(listImages(temp.engine), []);
  assert.equal(registry.requestsFor('/blobs/').filter(isOfImage).length, 0, 'nothing transferred');
  assert.deepEqual(
    temp.files().filter((file) => /^(blobs|layers|images|rootfs)\//.test(file)),
    [],
  );
}

function isOfImage({ path }: { path: string }): boolean {
  return [...image.blobs.keys()].some((blob) => path.endsWith(blob));
}

describe('a rule that asks for a key', () => {
  it('lets an image in that the key has signed', async () => {
    await using here = await scene();
    here.sign(KEY);
    await here.require(KEY);
    assert.equal((await here.fetch()).changed, true);
    const before = here.registry.requests.length;
    assert.equal((await here.fetch()).changed, false);
    assert.equal(
      here.registry.requests.length,
      before + 1,
      'one HEAD: the signature is remembered',
    );
    await here.run();
    await here.run({ pullPolicy: 'never' });
    assert.equal(here.registry.requests.length, before + 1);
  });

  it('says which key, which file and which prefix, and stores nothing of what it refuses', async () => {
    await using here = await scene();
    await here.require(KEY);
    const file = here.temp.engine.settings.trustPolicyFile;
    await assert.rejects(here.fetch(), (error) => {
      assert.ok(error instanceof EngineError);
      assert.equal(error.code, 'TRUST_REFUSED');
      for (const part of [
        KEY.signing.publicKey.fingerprint,
        '"team.pub"',
        `the rule for "${here.repository}" in "${file}"`,
        `the registry has no signature of ${digest}`,
      ]) {
        assert.ok(error.message.includes(part), `${error.message}\nlacks ${part}`);
      }
      assert.match(error.hint ?? '', /--insecure-options=image/);
      return true;
    });
    assertEmpty(here);
    await assert.rejects(here.run(), refusal(/no signature/));
    assertEmpty(here);
  });

  it('refuses an image that another key has signed', async () => {
    await using here = await scene();
    here.sign(STRANGER);
    await here.require(KEY);
    await assert.rejects(here.fetch(), refusal(/no key of the rule made it/));
    assertEmpty(here);
  });

  it('refuses an image of whose manifest one byte is another', async () => {
    await using here = await scene();
    here.sign(KEY);
    await here.require(KEY);
    const bytes = Buffer.concat([image.manifest.bytes, Buffer.from('\n')]);
    here.registry.addManifest('app', bytes, { mediaType: OCI_MANIFEST, tag: 'v1' });
    await assert.rejects(here.fetch(), refusal(/the registry has no signature/));
    assertEmpty(here);
  });

  it('refuses a signature of another image that lies in the place of ours', async () => {
    await using here = await scene();
    const payload = encodePayload(other.manifest.descriptor.digest, `${here.repository}:v1`);
    const signature = signBytes(KEY.signing, payload);
    addRawSignature(here.registry, { repository: 'app', digest }, { payload, signature });
    await here.require(KEY);
    await assert.rejects(here.fetch(), refusal(/it is of "sha256:/));
    assertEmpty(here);
  });

  it('refuses the signature of an image of another repository', async () => {
    await using here = await scene();
    here.sign(KEY, digest, `${here.registry.host}/unrelated:v1`);
    await here.require(KEY);
    await assert.rejects(here.fetch(), refusal(/a signature names ".*\/unrelated:v1"/));
    const keys = [{ label: 'team.pub', pem: KEY.publicPem }];
    const signedAs = `${here.registry.host}/unrelated`;
    const { settings } = here.temp.engine;
    await setTrustRule(settings, here.repository, { type: 'cosign', keys, signedAs });
    await here.fetch();
  });

  it('takes the signature of an index for all its images, and that of an image behind an index', async () => {
    for (const isIndexSigned of [true, false]) {
      await using here = await scene();
      await here.require(KEY);
      const built = buildIndex([image]);
      const reference = here.registry.addIndex('app', 'multi', built);
      await assert.rejects(fetchImage(here.temp.engine, reference, update), refusal(/has no sig/));
      here.sign(KEY, isIndexSigned ? built.index.descriptor.digest : digest, here.repository);
      await fetchImage(here.temp.engine, reference, update);
      await imageForRun(here.temp.engine, { image: reference, pullPolicy: 'never' });
    }
  });

  for (const kind of ['P-384', 'P-521', 'ed25519', 'rsa'] as const) {
    it(`verifies ${kind}`, async () => {
      await using here = await scene();
      const key = testKey(kind);
      here.sign(key);
      await here.require(key);
      await here.fetch();
    });
  }
});

describe('bundles', () => {
  it('count, by the tag that stands in for the referrers API', async () => {
    await using here = await scene();
    await here.require(KEY);
    addBundle(here.registry, { repository: 'app', digest }, bundleOf(KEY, digest));
    await here.fetch();
    await here.run({ pullPolicy: 'never' });
  });

  it('count, by the referrers API', async () => {
    await using here = await scene();
    await here.require(KEY);
    const body = addBundle(here.registry, { repository: 'app', digest }, bundleOf(KEY, digest));
    here.registry.fault = ({ path }) => {
      if (path.includes('/referrers/')) {
        return { status: 200, body, headers: { 'content-type': OCI_INDEX } };
      }
      return path.endsWith(referrersTagOf(digest)) ? { status: 404 } : undefined;
    };
    await here.fetch();
  });

  it('by another key do not', async () => {
    await using here = await scene();
    await here.require(KEY);
    addBundle(here.registry, { repository: 'app', digest }, bundleOf(STRANGER, digest));
    await assert.rejects(here.fetch(), refusal(/no key of the rule made it/));
    assertEmpty(here);
  });

  it('do not where a name is asked for, since they hold none', async () => {
    await using here = await scene();
    const keys = [{ label: 'team.pub', pem: KEY.publicPem }];
    const { settings } = here.temp.engine;
    const signedAs = here.repository;
    await setTrustRule(settings, here.repository, { type: 'cosign', keys, signedAs });
    addBundle(here.registry, { repository: 'app', digest }, bundleOf(KEY, digest));
    await assert.rejects(here.fetch(), refusal(/a signature names no repository/));
  });
});

describe('hostile signatures', () => {
  const rows: { name: string; message: RegExp; prepare: (here: Scene) => void }[] = [
    {
      name: 'a tag of signatures that is an index',
      message: /cannot be read: .*layers/,
      prepare: ({ registry }) => {
        const bytes = Buffer.from(
          JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
        );
        registry.addManifest('app', bytes, { mediaType: OCI_INDEX, tag: signatureTagOf(digest) });
      },
    },
    {
      name: '10,000 signatures',
      message: /has 10000 layers; at most 128/,
      prepare: ({ registry }) => addLayers(registry, Array(10_000).fill(layer({}))),
    },
    {
      name: 'a payload of a gigabyte',
      message: /has 1073741824 bytes; expected at most/,
      prepare: ({ registry }) => addLayers(registry, [layer({ size: 1024 ** 3 })]),
    },
    {
      name: 'a signature that is not base64',
      message: /expected base64/,
      prepare: ({ registry }) => {
        const payload = encodePayload(digest, 'x');
        const { length: size } = payload;
        addLayers(registry, [layer({ digest: registry.addBlob(payload), size }, '%%%')]);
      },
    },
    {
      name: 'a signature without its annotation',
      message: /its annotation is missing/,
      prepare: ({ registry }) => addLayers(registry, [{ ...layer({}), annotations: {} }]),
    },
    {
      name: 'a payload that is not there',
      message: /cannot be read/,
      prepare: ({ registry }) => addLayers(registry, [layer({})]),
    },
    {
      name: 'a manifest of signatures that is no JSON',
      message: /not a JSON document/,
      prepare: ({ registry }) => {
        registry.addManifest('app', Buffer.from('\u0000\u001b[2J'), {
          mediaType: OCI_MANIFEST,
          tag: signatureTagOf(digest),
        });
      },
    },
    {
      name: 'referrers that are no index',
      message: /cannot be read/,
      prepare: ({ registry }) => {
        registry.fault = ({ path }) =>
          path.includes('/referrers/') ? { status: 200, body: '<html>' } : undefined;
      },
    },
  ];
  for (const { name, message, prepare } of rows) {
    it(`refuses ${name}, and takes a good one beside it`, async () => {
      await using here = await scene();
      await here.require(KEY);
      prepare(here);
      await assert.rejects(here.fetch(), refusal(message));
      assertEmpty(here);
      if (name.startsWith('referrers')) here.sign(KEY);
      else addBundle(here.registry, { repository: 'app', digest }, bundleOf(KEY, digest));
      await here.fetch();
    });
  }

  function layer(fields: { size?: number; digest?: string }, signature = 'AAAA') {
    return {
      mediaType: SIMPLE_SIGNING,
      digest: `sha256:${'1'.repeat(64)}`,
      size: 10,
      ...fields,
      annotations: { [SIGNATURE_ANNOTATION]: signature },
    };
  }

  function addLayers(registry: TestRegistry, layers: readonly object[]): void {
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, layers }),
    );
    registry.addManifest('app', bytes, { mediaType: OCI_MANIFEST, tag: signatureTagOf(digest) });
  }
});

describe('an image that is in the store', () => {
  it('runs without the network once it was verified, and not when it never was', async () => {
    await using here = await scene();
    here.sign(KEY);
    await here.fetch();
    await here.require(KEY);
    here.registry.fault = () => ({ status: 404 });
    await assert.rejects(here.run(), refusal(/the registry has no signature/));
    await assert.rejects(
      here.run({ pullPolicy: 'never' }),
      refusal(/none that counts was verified/),
    );
    here.registry.fault = undefined;
    await here.run();
    here.registry.fault = () => ({ status: 404 });
    await here.run();
    await here.run({ pullPolicy: 'never' });
  });

  it('is refused, and not said to lack a signature, when the registry does not answer', async () => {
    await using here = await scene();
    await here.fetch();
    await here.require(KEY);
    await here.registry[Symbol.asyncDispose]();
    const error: unknown = await here.run().catch((thrown: unknown) => thrown);
    assert.ok(refusal(/cannot be read: cannot reach/)(error));
    assert.ok(error instanceof EngineError);
    assert.match(error.hint ?? '', /^Try again when the registry can be reached/);
    const repeated = error.message.match(/the signatures that refer to/g);
    assert.equal(repeated?.length, 1);
  });

  it('is judged by the policy of today', async () => {
    await using here = await scene();
    const { settings } = here.temp.engine;
    here.sign(KEY);
    await here.require(KEY);
    await here.fetch();
    await here.require(STRANGER);
    await assert.rejects(here.run(), refusal(/no key of the rule made it/));
    await setTrustRule(settings, here.repository, { type: 'reject', keys: [] });
    await assert.rejects(here.run(), refusal(/rejects it/));
    await assert.rejects(here.fetch(), refusal(/rejects it/));
    await removeTrustRule(settings, here.repository);
    await setTrustDefault(settings, { type: 'reject', keys: [] });
    await assert.rejects(here.run(), refusal(/the default in ".*trust.json" rejects it/));
    await setTrustRule(settings, here.registry.host, { type: 'insecure', keys: [] });
    await here.run();
    await here.require(KEY);
    const before = here.registry.requests.length;
    await here.run();
    assert.equal(here.registry.requests.length, before);
  });

  it('is used all the same with a warning, and is asked again without', async () => {
    await using here = await scene();
    await here.require(KEY);
    await here.fetch({ ignoresSignatures: true });
    await here.run({ ignoresSignatures: true });
    const warnings = here.temp.events.filter(({ type }) => type === 'warning');
    assert.equal(warnings.length, 2);
    assert.match(JSON.stringify(warnings[0]), /without its signatures being verified/);
    await assert.rejects(here.run(), refusal(/no signature/));
    await assert.rejects(here.fetch(), refusal(/no signature/));
  });

  it('is judged under each of its names, and by its last one when it has none', async () => {
    await using here = await scene();
    here.sign(KEY);
    await here.fetch();
    const { imageId } = image;
    await here.require(STRANGER);
    const byId = () => imageForRun(here.temp.engine, { image: imageId, pullPolicy: 'never' });
    await assert.rejects(byId(), refusal(/none that counts/));
    here.registry.addImage('app', 'v1', other);
    here.sign(STRANGER, other.manifest.descriptor.digest);
    await here.fetch();
    assert.equal(
      listImages(here.temp.engine).find((each) => each.imageId === imageId)?.reference,
      undefined,
    );
    await assert.rejects(byId(), refusal(/none that counts/));
    await here.require(KEY);
    await imageForRun(here.temp.engine, { image: imageId, pullPolicy: 'new' });
    await byId();
  });

  it('does not become a trusted one by a new name', async () => {
    await using here = await scene();
    await here.fetch();
    const trusted = `${here.registry.host}/trusted:v1`;
    await tagImage(here.temp.engine, here.reference, [trusted]);
    await here.require(KEY, `${here.registry.host}/trusted`);
    const run = () => imageForRun(here.temp.engine, { image: trusted, pullPolicy: 'new' });
    await assert.rejects(run(), refusal(/the registry has no signature/));
    await here.run();
  });

  it('out of a file is not asked for signatures, until it is fetched', async () => {
    await using here = await scene();
    const layoutDir = join(here.temp.directory, 'layout');
    writeLayout(layoutDir, [{ image, refName: here.reference }]);
    await setTrustDefault(here.temp.engine.settings, { type: 'reject', keys: [] });
    await fetchImage(here.temp.engine, `oci:${layoutDir}`, update);
    await here.run();
    await here.require(KEY);
    await here.run();
    await assert.rejects(here.fetch(), refusal(/no signature/));
  });
});

describe('policy files', () => {
  it('of podman count where our own has nothing to say', async () => {
    await using here = await scene();
    const { settings } = here.temp.engine;
    const keyPath = join(here.temp.directory, 'podman.pub');
    writeFileSync(keyPath, KEY.publicPem);
    const write = (policy: object): void =>
      writeFileSync(settings.containersPolicyFile ?? '', JSON.stringify(policy));
    const signed = { type: 'sigstoreSigned', keyPath };
    const accept = { type: 'insecureAcceptAnything' };
    write({ default: [{ type: 'reject' }] });
    await assert.rejects(here.fetch(), refusal(/the default in ".*policy.json" rejects it/));
    write({ default: [accept], transports: { docker: { [here.repository]: [signed] } } });
    await assert.rejects(here.fetch(), refusal(/podman.pub.*no signature/));
    here.sign(KEY, digest, here.repository);
    await assert.rejects(here.fetch(), refusal(/accepts ".*app:v1" \(matchRepoDigestOrExact\)/));
    here.sign(KEY);
    await here.fetch();
    write({
      default: [accept],
      transports: {
        docker: { [here.repository]: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }] },
      },
    });
    await assert.rejects(here.run(), refusal(/GPG signature, which dray does not verify/));
    await setTrustRule(settings, here.repository, { type: 'insecure', keys: [] });
    await here.run();
    await removeTrustRule(settings, here.repository);
    write({ default: [{ type: 'whatever' }] });
    await assert.rejects(here.run(), engineError('CONFIG_INVALID', /unknown type/));
    rmSync(keyPath);
    write({ default: [signed] });
    await assert.rejects(here.run(), engineError('CONFIG_INVALID', /podman.pub.*cannot be read/));
  });

  it('all requirements of a list are to be met', async () => {
    await using here = await scene();
    const { settings } = here.temp.engine;
    const signedBy = (key: TestKey) => ({
      type: 'sigstoreSigned',
      keyData: Buffer.from(key.publicPem).toString('base64'),
    });
    const both = { default: [signedBy(KEY), signedBy(STRANGER)] };
    writeFileSync(settings.containersPolicyFile ?? '', JSON.stringify(both));
    here.sign(KEY);
    const [own, other] = [KEY, STRANGER].map((key) => key.signing.publicKey.fingerprint);
    const why = new RegExp(`asks for a signature by the key ${other} .*is by the key ${own} alone`);
    await assert.rejects(here.fetch(), refusal(why));
    const identity = here.reference;
    addSignatures(here.registry, [KEY, STRANGER], { repository: 'app', digest, identity });
    await here.fetch();
    await here.run({ pullPolicy: 'never' });
  });

  it('that others than root can write, or that are damaged, stop everything', async () => {
    await using here = await scene();
    await here.require(KEY);
    const file = here.temp.engine.settings.trustPolicyFile ?? '';
    const { chmodSync, chownSync, statSync } = await import('node:fs');
    assert.equal(statSync(file).mode & 0o777, 0o644);
    assert.deepEqual(readdirSync(join(file, '..')).sort(), ['trust.json', 'trust.json.lock']);
    chmodSync(file, 0o666);
    await assert.rejects(here.fetch(), engineError('CONFIG_INVALID', /written by others/));
    chmodSync(file, 0o644);
    chownSync(file, 1000, 1000);
    await assert.rejects(here.fetch(), engineError('CONFIG_INVALID', /user 1000/));
    chownSync(file, 0, 0);
    const whole = readFileSync(file, 'utf8');
    for (const text of [whole.slice(0, -3), '[]', '{"version":2}', '']) {
      writeFileSync(file, text);
      await assert.rejects(here.run(), engineError('CONFIG_INVALID'));
    }
    rmSync(file);
    await here.run();
  });

  it('that are links to nothing are not taken for no policy', async () => {
    await using here = await scene();
    const { settings } = here.temp.engine;
    await here.fetch();
    const nowhere = join(here.temp.directory, 'nowhere');
    for (const file of [settings.trustPolicyFile ?? '', settings.containersPolicyFile ?? '']) {
      mkdirSync(dirname(file), { recursive: true });
      symlinkSync(nowhere, file);
      const refused = engineError('CONFIG_INVALID', /is a link to nothing/);
      await assert.rejects(here.fetch(), refused);
      await assert.rejects(here.run(), refused);
      rmSync(file);
    }
    await here.run();
  });

  it('keep every rule of eight that are added at once', async () => {
    await using here = await scene();
    const { settings } = here.temp.engine;
    const prefixes = Array.from({ length: 8 }, (_, at) => `quay.io/team${at}`);
    await Promise.all(
      prefixes.map((prefix) => setTrustRule(settings, prefix, { type: 'reject', keys: [] })),
    );
    const { listTrustRules } = await import('../../../src/core/operations/trust-policy.ts');
    assert.deepEqual(
      listTrustRules(settings)
        .map(({ prefix }) => prefix)
        .sort(),
      prefixes,
    );
  });
});
