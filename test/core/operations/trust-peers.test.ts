/** openssl and a real registry on the other end; Debian's skopeo and podman are built without sigstore. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { pushImage } from '../../../src/core/operations/push-image.ts';
import { openSigningKey, signImage } from '../../../src/core/operations/sign-image.ts';
import { setTrustRule } from '../../../src/core/operations/trust-policy.ts';
import {
  SIGNATURE_ANNOTATION,
  signatureTagOf,
} from '../../../src/core/trust/signature-manifest.ts';
import { DockerRegistry } from '../../support/docker-registry.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { addRawSignature, encryptKey, testKey } from '../../support/signed-images.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const image = buildImage({ layers: [tarOf([{ name: 'hello', content: 'hello\n' }])] });
const { digest } = image.manifest.descriptor;
const PASSWORD = 'correct horse';
const KEY = testKey();
const STRANGER = testKey();
const update = { pullPolicy: 'update' } as const;

function openssl(...argv: string[]): string {
  return execFileSync('openssl', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

interface StoredSignature {
  readonly payload: Buffer;
  readonly signature: Buffer;
}

describe('signatures between dray and others', () => {
  let directory: string;
  let registry: DockerRegistry;
  let temp: TempEngine;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dray-trust-'));
    registry = await DockerRegistry.start();
    temp = tempEngine();
    const trustPolicyFile = join(directory, 'trust.json');
    Object.assign(temp.engine, { settings: { ...temp.engine.settings, trustPolicyFile } });
    const layoutDir = join(directory, 'layout');
    mkdirSync(layoutDir);
    writeLayout(layoutDir, [{ image, refName: `${registry.host}/local:v1` }]);
    await fetchImage(temp.engine, `oci:${layoutDir}`, update);
  });
  after(async () => {
    temp[Symbol.dispose]();
    await registry[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  function require(prefix: string, publicPem: string): Promise<string> {
    const keys = [{ label: 'team.pub', pem: publicPem }];
    return setTrustRule(temp.engine.settings, prefix, { type: 'cosign', keys });
  }

  /** Pushes as `name` and signs; returns the reference. */
  async function push(name: string, key: string, password?: string): Promise<string> {
    const destination = `${registry.host}/${name}`;
    const signing = openSigningKey(key, 'test.key', password);
    await pushImage(temp.engine, `${registry.host}/local:v1`, {
      destination,
      onPushed: (pushed, client) => signImage(pushed, client, { key: signing }),
    });
    return destination;
  }

  /** What plain HTTP gives of the signatures of our image. */
  async function storedSignatures(repository: string): Promise<StoredSignature[]> {
    const base = `http://${registry.host}/v2/${repository}`;
    const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' };
    const answer = await fetch(`${base}/manifests/${signatureTagOf(digest)}`, { headers });
    const manifest = JSON.parse(await answer.text());
    const signatures: StoredSignature[] = [];
    for (const layer of manifest.layers) {
      const payload = await (await fetch(`${base}/blobs/${layer.digest}`)).arrayBuffer();
      const signature = Buffer.from(layer.annotations[SIGNATURE_ANNOTATION], 'base64');
      signatures.push({ payload: Buffer.from(payload), signature });
    }
    return signatures;
  }

  function isGoodForOpenssl({ payload, signature }: StoredSignature, publicPem: string): boolean {
    const files = ['payload', 'signature', 'public.pem'].map((name) => join(directory, name));
    const [payloadFile = '', signatureFile = '', keyFile = ''] = files;
    writeFileSync(payloadFile, payload);
    writeFileSync(signatureFile, signature);
    writeFileSync(keyFile, publicPem);
    try {
      openssl('dgst', '-sha256', '-verify', keyFile, '-signature', signatureFile, payloadFile);
      return true;
    } catch {
      return false;
    }
  }

  for (const { name, generate, sign } of [
    {
      name: 'ECDSA P-256',
      generate: ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      sign: ['dgst', '-sha256', '-sign'],
    },
    {
      name: 'RSA',
      generate: ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
      sign: ['dgst', '-sha256', '-sign'],
    },
    {
      name: 'Ed25519',
      generate: ['genpkey', '-algorithm', 'ed25519'],
      sign: ['pkeyutl', '-sign', '-rawin', '-inkey'],
    },
  ]) {
    it(`what openssl signs with ${name} is accepted, and with one bit less it is not`, async () => {
      await using source = await TestRegistry.start();
      const reference = source.addImage('app', 'v1', image);
      const files = ['key', 'pub', 'payload', 'sig'].map((file) =>
        join(directory, `${name}.${file}`),
      );
      const [key = '', pub = '', payloadFile = '', signatureFile = ''] = files;
      openssl(...generate, '-out', key);
      openssl('pkey', '-in', key, '-pubout', '-out', pub);
      // As cosign writes it, its order of fields and its "optional" included.
      const payload = `{"critical":{"identity":{"docker-reference":"${source.host}/app"},"image":{"docker-manifest-digest":"${digest}"},"type":"cosign container image signature"},"optional":null}`;
      writeFileSync(payloadFile, payload);
      const input = sign[0] === 'pkeyutl' ? ['-in', payloadFile] : [payloadFile];
      openssl(...sign, key, '-out', signatureFile, ...input);
      const raw = { payload: Buffer.from(payload), signature: readFileSync(signatureFile) };
      await require(`${source.host}/app`, readFileSync(pub, 'utf8'));
      const spoiled = Buffer.from(raw.payload);
      spoiled.writeUInt8(spoiled.readUInt8(40) ^ 1, 40);
      addRawSignature(source, { repository: 'app', digest }, { ...raw, payload: spoiled });
      await assert.rejects(
        fetchImage(temp.engine, reference, update),
        engineError('TRUST_REFUSED', /no key of the rule made it/),
      );
      addRawSignature(source, { repository: 'app', digest }, raw);
      await fetchImage(temp.engine, reference, update);
    });
  }

  it('what dray signs with an encrypted key, openssl and dray verify with that key and no other', async () => {
    const reference = await push('by-dray:v1', encryptKey(KEY.privatePem, PASSWORD), PASSWORD);
    const [signature, ...rest] = await storedSignatures('by-dray');
    assert.ok(signature !== undefined && rest.length === 0);
    assert.deepEqual(JSON.parse(signature.payload.toString()), {
      critical: {
        identity: { 'docker-reference': `${registry.host}/by-dray:v1` },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    });
    assert.equal(isGoodForOpenssl(signature, KEY.publicPem), true);
    assert.equal(isGoodForOpenssl(signature, STRANGER.publicPem), false);
    await require(`${registry.host}/by-dray`, STRANGER.publicPem);
    await assert.rejects(
      fetchImage(temp.engine, reference, update),
      engineError('TRUST_REFUSED', /no key of the rule made it/),
    );
    await require(`${registry.host}/by-dray`, KEY.publicPem);
    await fetchImage(temp.engine, reference, update);
  });

  it('a second signature comes beside the first, and the same again changes nothing', async () => {
    await push('twice:v1', KEY.privatePem);
    await push('twice:v1', STRANGER.privatePem);
    const both = await storedSignatures('twice');
    assert.equal(both.length, 2);
    for (const [at, key] of [KEY, STRANGER].entries()) {
      const signature = both[at];
      assert.ok(signature && isGoodForOpenssl(signature, key.publicPem));
    }
    await push('twice:v1', KEY.privatePem);
    assert.deepEqual(await storedSignatures('twice'), both);
    await push('twice:v2', KEY.privatePem);
    assert.equal((await storedSignatures('twice')).length, 3, 'another name, another signature');
  });
});
