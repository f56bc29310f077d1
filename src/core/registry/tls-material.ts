/**
 * Which authorities a TLS connection trusts, and the certificates it shows of us.
 *
 * | where | what |
 * |---|---|
 * | Node's own, and the system's bundle | authorities |
 * | `SSL_CERT_FILE`, `SSL_CERT_DIR` | authorities in their place |
 * | `DIR/HOST[:PORT]/*.crt` | further authorities, for that host |
 * | `DIR/HOST[:PORT]/*.cert` with `*.key` | a certificate to show to that host |
 *
 * DIR is /etc/containers/certs.d and /etc/docker/certs.d; what is in both counts together. A file that
 * cannot be used is an error that names it, not an authority less.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { canonicalHost } from './credentials.ts';
import type { CertificateSettings } from './registry-settings.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * The context of TLS connections to `host`; undefined when Node's own does.
 *
 * @param host of a URL, with its port unless that is 443.
 * @throws EngineError `CONFIG_INVALID` naming the file, `PERMISSION_DENIED`.
 */
export function tlsContext(host: string, settings: CertificateSettings): SecureContext | undefined {
  const files = directoriesOf(host, settings).flatMap(filesIn);
  const authorities = files.filter((path) => path.endsWith('.crt')).map(readCertificates);
  const base = baseAuthorities(settings);
  const pairs = readPairs(files);
  if (base === undefined && authorities.length === 0 && pairs === undefined) return undefined;
  return createSecureContext({
    ca: [...(base ?? getCACertificates('default')), ...authorities],
    ...pairs,
  });
}

function directoriesOf(host: string, { certDir, hostDirs }: CertificateSettings): string[] {
  if (certDir !== undefined) return [certDir];
  // The host may come from a redirect; ".." is a host for a URL.
  if (!/^[a-z0-9[]/.test(host)) return [];
  const names = new Set([
    host,
    host.replace(/^[^:]+$|^\[[^\]]*\]$/, '$&:443'),
    canonicalHost(host),
  ]);
  return hostDirs.flatMap((dir) => [...names].map((name) => join(dir, name)));
}

/** Undefined when nothing is to be trusted beyond what Node trusts by itself. */
function baseAuthorities({ caFile, caDirs, bundles }: CertificateSettings): string[] | undefined {
  if (caFile !== undefined || caDirs !== undefined) {
    const ofDirs = (caDirs ?? []).flatMap(filesIn).map((path) => readText(path) ?? '');
    return [
      ...(caFile === undefined ? [] : [readCertificates(caFile)]),
      ...ofDirs.filter((text) => text.includes('-----BEGIN CERTIFICATE-----')),
    ];
  }
  const own = getCACertificates('default');
  const known = new Set(own.map(bare));
  const found = bundles.flatMap((path) => certificatesOf(readText(path) ?? ''));
  // Parsing hundreds of authorities takes longer than the rest of a connection: mostly Node has them.
  const further = found.filter((certificate) => !known.has(bare(certificate)));
  return further.length === 0 ? undefined : [...own, ...further];
}

function certificatesOf(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function bare(certificate: string): string {
  return certificate.replace(/\s+/g, '');
}

function readPairs(files: readonly string[]): { cert: string[]; key: string[] } | undefined {
  const withSuffix = (suffix: string) => files.filter((path) => path.endsWith(suffix));
  const certs = withSuffix('.cert');
  for (const path of withSuffix('.key')) requireFile(`${path.slice(0, -4)}.cert`, path, certs);
  if (certs.length === 0) return undefined;
  const pairs = certs.map((path) => {
    const keyFile = `${path.slice(0, -5)}.key`;
    requireFile(keyFile, path, files);
    return readPair(path, keyFile);
  });
  return { cert: pairs.map(({ cert }) => cert), key: pairs.map(({ key }) => key) };
}

function requireFile(path: string, because: string, files: readonly string[]): void {
  if (files.includes(path)) return;
  throw new EngineError(
    'CONFIG_INVALID',
    `${quote(path)} is missing; expected it beside ${quote(because)}`,
    { hint: 'A client certificate is a pair NAME.cert and NAME.key; an authority ends in ".crt".' },
  );
}

function readPair(certFile: string, keyFile: string): { cert: string; key: string } {
  const cert = readCertificates(certFile);
  const key = readText(keyFile) ?? '';
  try {
    createPrivateKey(key);
    createSecureContext({ cert, key });
  } catch (cause) {
    throw new EngineError(
      'CONFIG_INVALID',
      `${quote(keyFile)} is not the private key of ${quote(certFile)}, or needs a passphrase`,
      { cause },
    );
  }
  return { cert, key };
}

function readCertificates(path: string): string {
  const text = readText(path);
  if (text === undefined) {
    throw new EngineError('CONFIG_INVALID', `there is no file with certificates ${quote(path)}`);
  }
  const certificates = certificatesOf(text);
  try {
    if (certificates.length === 0) throw new Error('no PEM certificate is in it');
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch (cause) {
    throw new EngineError('CONFIG_INVALID', `${quote(path)} holds no certificates in PEM`, {
      cause,
    });
  }
  return certificates.join('\n');
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return [];
    throw unreadable(directory, error);
  }
}

/** Undefined when there is no such file. */
function readText(path: string): string | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isDirectory()) return undefined;
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) {
      throw new EngineError(
        'CONFIG_INVALID',
        `${quote(path)} is no file of at most ${MAX_FILE_BYTES} bytes; expected certificates or a key`,
      );
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw error instanceof EngineError ? error : unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): EngineError {
  const isDenied = hasErrno(cause, 'EACCES') || hasErrno(cause, 'EPERM');
  return new EngineError(
    isDenied ? 'PERMISSION_DENIED' : 'CONFIG_INVALID',
    `${quote(path)}, where certificates are looked for, cannot be read`,
    { cause },
  );
}
