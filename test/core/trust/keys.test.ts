import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Digest, digestOf } from '../../../src/core/oci/digest.ts';
import { isSignedBy, parsePublicKey } from '../../../src/core/trust/public-key.ts';
import { isEncryptedKey, parseSigningKey, signBytes } from '../../../src/core/trust/signing-key.ts';
import { encodePayload } from '../../../src/core/trust/simple-signing.ts';
import { verifyBundle, verifySimpleSignature } from '../../../src/core/trust/verify-signature.ts';
import { engineError } from '../../support/engine-errors.ts';
import { bundleOf, encryptKey, pem, testKey } from '../../support/signed-images.ts';

const KEY = testKey();
const DIGEST = digestOf('the manifest');
const MANIFEST = Buffer.from('the manifest');

function spki(type: 'ec' | 'rsa' | 'ed448' | 'dsa', options: object): string {
  const generate = generateKeyPairSync as (
    type: string,
    options: object,
  ) => { publicKey: { export(o: object): string } };
  return generate(type, options).publicKey.export({ type: 'spki', format: 'pem' });
}

describe('parsePublicKey', () => {
  for (const kind of ['P-256', 'P-384', 'P-521', 'ed25519', 'rsa'] as const) {
    it(`reads ${kind}, and gives the fingerprint that openssl gives`, () => {
      const { publicPem } = testKey(kind);
      const der = Buffer.from(publicPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
      const expected = `sha256:${createHash('sha256').update(der).digest('hex')}`;
      assert.equal(parsePublicKey(`text before\n${publicPem}`, 'k').fingerprint, expected);
    });
  }

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['nothing', '', /holds nothing/],
    ['a private key', KEY.privatePem, /is a private key/],
    ['a private key beside the public one', KEY.publicPem + KEY.privatePem, /is a private key/],
    ['two keys', KEY.publicPem + testKey().publicPem, /expected one PEM block/],
    ['a certificate', pem('CERTIFICATE', Buffer.from('x')), /"CERTIFICATE"/],
    ['a damaged key', pem('PUBLIC KEY', Buffer.from('x')), /cannot be read|can be read/],
    ['RSA of 1024 bits', spki('rsa', { modulusLength: 1024 }), /has 1024 bits/],
    ['the curve secp256k1', spki('ec', { namedCurve: 'secp256k1' }), /"secp256k1"/],
    ['ed448', spki('ed448', {}), /"ed448"/],
  ];
  for (const [name, text, message] of bad) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parsePublicKey(text, 'k'), engineError('USAGE_INVALID', message));
    });
  }
});

describe('parseSigningKey', () => {
  it('reads PKCS #8 and both of cosign, and its signatures are good for its public half', () => {
    const labels = ['ENCRYPTED SIGSTORE PRIVATE KEY', 'ENCRYPTED COSIGN PRIVATE KEY'];
    const texts = [
      KEY.privatePem,
      ...labels.map((label) => encryptKey(KEY.privatePem, 'pw', label)),
    ];
    for (const text of texts) {
      assert.equal(isEncryptedKey(text), text !== KEY.privatePem);
      const key = parseSigningKey(text, 'k', Buffer.from('pw'));
      assert.equal(key.publicKey.fingerprint, KEY.signing.publicKey.fingerprint);
      assert.equal(isSignedBy(KEY.signing.publicKey, MANIFEST, signBytes(key, MANIFEST)), true);
    }
  });

  it('reads PKCS #8 under a password, as openssl writes it', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: {
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'right',
      },
    });
    assert.match(privateKey, /BEGIN ENCRYPTED PRIVATE KEY/);
    assert.equal(isEncryptedKey(privateKey), true);
    const key = parseSigningKey(privateKey, 'k', Buffer.from('right'));
    assert.equal(key.publicKey.fingerprint, parsePublicKey(publicKey, 'p').fingerprint);
    for (const [password, message] of [
      [Buffer.from('wrong'), /password is wrong/],
      [Buffer.alloc(0), /password is wrong/],
      [undefined, /no password/],
    ] as const) {
      const refused = engineError('USAGE_INVALID', message);
      assert.throws(() => parseSigningKey(privateKey, 'k', password), refused);
    }
  });

  it('takes an empty password for one', () => {
    parseSigningKey(encryptKey(KEY.privatePem, ''), 'k', Buffer.alloc(0));
  });

  const box = (change: (box: { kdf: { params: object }; cipher: object }) => object): string => {
    const text = encryptKey(KEY.privatePem, 'pw');
    const body = Buffer.from(text.replace(/-----[^-]+-----|\s/g, ''), 'base64').toString();
    return pem(
      'ENCRYPTED SIGSTORE PRIVATE KEY',
      Buffer.from(JSON.stringify(change(JSON.parse(body)))),
    );
  };
  const cost = (params: object): string => box((all) => ({ ...all, kdf: { ...all.kdf, params } }));
  const bad: readonly (readonly [string, string, string | undefined, RegExp])[] = [
    ['a wrong password', encryptKey(KEY.privatePem, 'pw'), 'other', /password is wrong/],
    ['no password', encryptKey(KEY.privatePem, 'pw'), undefined, /there is no password/],
    ['a public key', KEY.publicPem, undefined, /PEM block "PUBLIC KEY"/],
    ['no key', 'x', undefined, /no PEM block/],
    ['a damaged key', pem('PRIVATE KEY', Buffer.from('x')), undefined, /can be read/],
    [
      'a block that is no JSON',
      pem('ENCRYPTED SIGSTORE PRIVATE KEY', Buffer.from('x')),
      'pw',
      /damaged/,
    ],
    [
      'another cipher',
      box((all) => ({ ...all, cipher: { ...all.cipher, name: 'aes' } })),
      'pw',
      /does not know/,
    ],
    [
      'a short nonce',
      box((all) => ({ ...all, cipher: { ...all.cipher, nonce: 'AAAA' } })),
      'pw',
      /damaged/,
    ],
    ['a derivation of a terabyte', cost({ N: 2 ** 33, r: 8, p: 1 }), 'pw', /too expensive/],
    ['a derivation of 4 GiB', cost({ N: 2 ** 20, r: 32, p: 1 }), 'pw', /too expensive/],
    ['no power of two', cost({ N: 1000, r: 8, p: 1 }), 'pw', /damaged or too expensive/],
  ];
  for (const [name, text, password, message] of bad) {
    it(`refuses ${name}, and shows nothing of it`, () => {
      const bytes = password === undefined ? undefined : Buffer.from(password);
      assert.throws(
        () => parseSigningKey(text, 'k', bytes),
        (error) => {
          engineError('USAGE_INVALID', message)(error);
          const body = text.replace(/-----[^-]+-----|\s/g, '').slice(0, 16);
          assert.ok(body.length < 16 || !String(error).includes(body));
          return true;
        },
      );
    });
  }
});

describe('verifySimpleSignature', () => {
  const context = {
    keys: [testKey().signing.publicKey, KEY.signing.publicKey],
    manifests: new Map<Digest, undefined>([[DIGEST, undefined]]),
  };
  const payload = JSON.parse(encodePayload(DIGEST, 'quay.io/a').toString());
  const verify = (document: unknown): ReturnType<typeof verifySimpleSignature> => {
    const bytes = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
    return verifySimpleSignature(bytes, signBytes(KEY.signing, bytes).toString('base64'), context);
  };
  const critical = (fields: object) => ({
    ...payload,
    critical: { ...payload.critical, ...fields },
  });

  it('gives digest, key and name of a good one', () => {
    const signature = {
      digest: DIGEST,
      key: KEY.signing.publicKey.fingerprint,
      identity: 'quay.io/a',
    };
    for (const optional of [null, {}, { creator: 'x', timestamp: 1 }]) {
      assert.deepEqual(verify({ ...payload, optional }), { isGood: true, signature });
    }
  });

  const bad: readonly (readonly [string, unknown, RegExp])[] = [
    ['another type', critical({ type: 'atomic container signature' }), /of the type "atomic/],
    ['no type', critical({ type: undefined }), /critical\.type/],
    ['an unknown critical field', critical({ expires: 1 }), /"expires"/],
    [
      'another digest',
      critical({ image: { 'docker-manifest-digest': digestOf('x') } }),
      /is of "sha256/,
    ],
    ['no digest', critical({ image: {} }), /digest/],
    [
      'upper-case hex',
      critical({ image: { 'docker-manifest-digest': DIGEST.toUpperCase() } }),
      /digest/,
    ],
    ['no name', critical({ identity: {} }), /docker-reference/],
    ['no object', [], /an array/],
    ['no JSON', 'x', /not a JSON/],
  ];
  for (const [name, document, why] of bad) {
    it(`refuses a signed payload with ${name}`, () => {
      const result = verify(document);
      assert.ok(!result.isGood);
      assert.match(result.why, why);
    });
  }

  it('does not take a signature with other bytes behind it, or none', () => {
    const bytes = encodePayload(DIGEST, 'quay.io/a');
    const good = signBytes(KEY.signing, bytes).toString('base64');
    assert.equal(verifySimpleSignature(bytes, good, context).isGood, true);
    for (const text of [`${good}AAAA`, good.slice(0, -4), '', undefined, 7, `${good}\n`]) {
      assert.equal(verifySimpleSignature(bytes, text, context).isGood, false, String(text));
    }
  });
});

describe('verifyBundle', () => {
  const context = {
    keys: [KEY.signing.publicKey],
    manifests: new Map([[DIGEST, MANIFEST]]),
  };
  const material = { publicKey: { hint: 'x' } };

  it('takes an envelope about our manifest, and a signature over its bytes', () => {
    const signature = { digest: DIGEST, key: KEY.signing.publicKey.fingerprint };
    assert.deepEqual(verifyBundle(bundleOf(KEY, DIGEST), context), { isGood: true, signature });
    const message = { signature: sign('sha256', MANIFEST, KEY.signing.key).toString('base64') };
    const bundle = { dsseEnvelope: undefined, messageSignature: message };
    assert.deepEqual(verifyBundle(bundleOf(KEY, DIGEST, { bundle }), context), {
      isGood: true,
      signature,
    });
  });

  const bad: readonly (readonly [string, Buffer, RegExp])[] = [
    ['another digest', bundleOf(KEY, digestOf('x')), /is of "sha256/],
    ['no subject', bundleOf(KEY, DIGEST, { statement: { subject: [] } }), /names no digest/],
    [
      'an attestation by the same key',
      bundleOf(KEY, DIGEST, { statement: { predicateType: 'https://slsa.dev/provenance/v1' } }),
      /slsa\.dev.* is a signature/,
    ],
    ['another key', bundleOf(testKey(), DIGEST), /no key of the rule/],
    [
      'a certificate',
      bundleOf(KEY, DIGEST, { bundle: { verificationMaterial: { certificate: {} } } }),
      /certificate/,
    ],
    [
      'an envelope and a message',
      bundleOf(KEY, DIGEST, { bundle: { messageSignature: { signature: 'AAAA' } } }),
      /either/,
    ],
    [
      'a message about other bytes',
      bundleOf(KEY, DIGEST, {
        bundle: {
          dsseEnvelope: undefined,
          verificationMaterial: material,
          messageSignature: {
            signature: sign('sha256', Buffer.from('x'), KEY.signing.key).toString('base64'),
          },
        },
      }),
      /no key of the rule/,
    ],
    [
      'another version',
      bundleOf(KEY, DIGEST, { bundle: { mediaType: 'application/x' } }),
      /of the type/,
    ],
    ['no JSON', Buffer.from('x'), /not a JSON/],
  ];
  for (const [name, bundle, why] of bad) {
    it(`refuses ${name}`, () => {
      const result = verifyBundle(bundle, context);
      assert.ok(!result.isGood);
      assert.match(result.why, why);
    });
  }

  it('refuses an envelope whose type was changed after it was signed', () => {
    const bundle = JSON.parse(bundleOf(KEY, DIGEST).toString());
    bundle.dsseEnvelope.payloadType = 'application/vnd.in-toto';
    assert.equal(verifyBundle(Buffer.from(JSON.stringify(bundle)), context).isGood, false);
  });
});
