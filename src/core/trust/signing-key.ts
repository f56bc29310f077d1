/**
 * Private keys that images are signed with: a PEM block "PRIVATE KEY" (PKCS #8) or "ENCRYPTED PRIVATE
 * KEY" (the same under a password, as openssl writes it), or what `cosign generate-key-pair` writes: "ENCRYPTED SIGSTORE PRIVATE KEY", earlier "… COSIGN …", which is
 * a PKCS #8 key encrypted with secretbox under a password that scrypt stretched. Pure.
 */
import { createPrivateKey, createPublicKey, type KeyObject, scryptSync, sign } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { EngineError, quote } from '../errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../oci/json-document.ts';
import { decodeBase64 } from './base64.ts';
import { checkStrength, fingerprintOf, hashesOf, type TrustedKey } from './public-key.ts';

/** A private key with its public half. */
export interface SigningKey {
  readonly key: KeyObject;
  readonly publicKey: TrustedKey;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----([^-]*)-----END \1-----/;
const ENCRYPTED: readonly string[] = [
  'ENCRYPTED SIGSTORE PRIVATE KEY',
  'ENCRYPTED COSIGN PRIVATE KEY',
];
const ENCRYPTED_PKCS8 = 'ENCRYPTED PRIVATE KEY';
const PLAIN: readonly string[] = ['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY'];

/** What a hostile key file may make scrypt do: 1 GiB of memory, some seconds. */
const SCRYPT_MEMORY = 1024 ** 3;
const SCRYPT_MOST = { N: 2 ** 20, r: 32, p: 16 };
const NONCE_BYTES = 24;
const TAG_BYTES = 16;

/** Whether the key in a PEM text is one that `parseSigningKey` needs a password for. */
export function isEncryptedKey(pem: string): boolean {
  return [...ENCRYPTED, ENCRYPTED_PKCS8].includes(BLOCK.exec(pem)?.[1] ?? '');
}

/**
 * The private key in a PEM text.
 *
 * @param label names it in messages, such as the path of its file; the text itself never shows.
 * @throws EngineError `USAGE_INVALID` when it is no key that can be used, or the password is wrong
 */
export function parseSigningKey(
  pem: string,
  label: string,
  password: Buffer | undefined,
): SigningKey {
  const [block = '', kind = '', body = ''] = BLOCK.exec(pem) ?? [];
  const key = ENCRYPTED.includes(kind)
    ? decode({ key: decrypt(body, label, password), format: 'der', type: 'pkcs8' }, label)
    : kind === ENCRYPTED_PKCS8
      ? decodeEncrypted(block, label, password)
      : PLAIN.includes(kind)
        ? decode(block, label)
        : undefined;
  if (key === undefined) {
    const found = kind === '' ? 'no PEM block' : `the PEM block ${quote(kind)}`;
    throw invalid(label, `holds ${found}; expected "PRIVATE KEY" or "${ENCRYPTED[0]}"`);
  }
  const publicHalf = createPublicKey(key);
  checkStrength(publicHalf, label);
  return { key, publicKey: { key: publicHalf, fingerprint: fingerprintOf(publicHalf), label } };
}

/**
 * Signs `bytes`. ECDSA signatures differ each time.
 *
 * The hash is sha256, whatever the curve: podman verifies with no other.
 */
export function signBytes({ key, publicKey }: SigningKey, bytes: Buffer): Buffer {
  return sign(hashesOf(publicKey.key).at(-1), bytes, key);
}

function decode(input: Parameters<typeof createPrivateKey>[0], label: string): KeyObject {
  try {
    return createPrivateKey(input);
  } catch (cause) {
    // The cause is OpenSSL's and holds nothing of the key.
    throw invalid(label, 'is not a private key that can be read', { cause });
  }
}

/** OpenSSL decrypts it. It does not say whether the password or the file is wrong. */
function decodeEncrypted(block: string, label: string, password: Buffer | undefined): KeyObject {
  const passphrase = requirePassword(label, password);
  try {
    return createPrivateKey({ key: block, passphrase });
  } catch {
    throw invalid(label, UNDECRYPTABLE);
  }
}

const UNDECRYPTABLE = 'cannot be decrypted: the password is wrong, or the file is damaged';

function requirePassword(label: string, password: Buffer | undefined): Buffer {
  if (password !== undefined) return password;
  throw invalid(label, 'is encrypted, and there is no password', {
    hint: 'Set COSIGN_PASSWORD, or run the command in a terminal to be asked.',
  });
}

function decrypt(body: string, label: string, given: Buffer | undefined): Buffer {
  const password = requirePassword(label, given);
  const box = readBox(body, label);
  const key = scryptSync(password, box.salt, 32, { ...box.cost, maxmem: 2 * SCRYPT_MEMORY });
  try {
    return Buffer.from(xsalsa20poly1305(key, box.nonce).decrypt(box.ciphertext));
  } catch {
    throw invalid(label, UNDECRYPTABLE);
  }
}

interface Box {
  readonly cost: { readonly N: number; readonly r: number; readonly p: number };
  readonly salt: Buffer;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

function readBox(body: string, label: string): Box {
  try {
    const box = parseJsonObject(decodeBase64(body.replace(/\s+/g, ''), 'PEM block'), 'it');
    const kdf = fieldOf(box, 'kdf');
    const cipher = fieldOf(box, 'cipher');
    if (kdf.name !== 'scrypt' || cipher.name !== 'nacl/secretbox') {
      throw invalid(label, 'is encrypted in a way that dray does not know');
    }
    const nonce = decodeBase64(cipher.nonce, 'nonce');
    const ciphertext = decodeBase64(box.ciphertext, 'ciphertext');
    if (nonce.length !== NONCE_BYTES || ciphertext.length <= TAG_BYTES) {
      throw invalid(label, 'is damaged');
    }
    const salt = decodeBase64(kdf.salt, 'salt');
    return { cost: costOf(fieldOf(kdf, 'params'), label), salt, nonce, ciphertext };
  } catch (cause) {
    if (!(cause instanceof EngineError) || cause.code === 'USAGE_INVALID') throw cause;
    // What the cause quotes is from inside of the key file.
    throw invalid(label, 'is damaged: its PEM block does not hold an encrypted key');
  }
}

function fieldOf(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return isJsonObject(value) ? value : {};
}

function costOf({ N, r, p }: JsonObject, label: string): Box['cost'] {
  const isWithin = (value: unknown, most: number): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most;
  if (
    isWithin(N, SCRYPT_MOST.N) &&
    isWithin(r, SCRYPT_MOST.r) &&
    isWithin(p, SCRYPT_MOST.p) &&
    Number.isInteger(Math.log2(N)) &&
    N > 1 &&
    128 * N * r <= SCRYPT_MEMORY
  ) {
    return { N, r, p };
  }
  throw invalid(label, 'asks for a key derivation that is damaged or too expensive');
}

function invalid(
  label: string,
  why: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): EngineError {
  return new EngineError('USAGE_INVALID', `the signing key ${quote(label)} ${why}`, options);
}
