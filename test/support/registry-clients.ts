/** Registry clients with patience for a test, and certificates for an https registry on loopback. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { ProgressEvent } from '../../src/core/progress.ts';
import { RegistryClient, type RegistryOptions } from '../../src/core/registry/registry-client.ts';
import type { TransportLimits } from '../../src/core/registry/retry.ts';

/** Three attempts, a few milliseconds apart. */
export const QUICK: TransportLimits = {
  headTimeoutMs: 10_000,
  stallTimeoutMs: 10_000,
  attempts: 3,
  retryBaseMs: 2,
  retryBudgetMs: 3_000,
};

/** A client for `host` whose progress events are kept in `events`. */
export function quickClient(
  host: string,
  limits: Partial<TransportLimits> = {},
  options: Partial<RegistryOptions> = {},
): { client: RegistryClient; events: ProgressEvent[] } {
  const events: ProgressEvent[] = [];
  const client = new RegistryClient(host, {
    insecureRegistries: [],
    userAgent: 'dray-test',
    onProgress: (event) => events.push(event),
    ...options,
    limits: { ...QUICK, ...limits },
  });
  return { client, events };
}

/** All bytes of a stream. */
export async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A key and a self-signed certificate for 127.0.0.1. */
export function loopbackCertificate(): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'dray-certificate-'));
  try {
    const keyFile = join(directory, 'key.pem');
    const certFile = join(directory, 'cert.pem');
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    const subject = ['-nodes', '-subj', '/CN=dray test', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', [...request, ...subject, '-keyout', keyFile, '-out', certFile], {
      stdio: 'ignore',
    });
    return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Makes this process trust a certificate. */
export function trust(cert: string): void {
  setDefaultCACertificates([...getCACertificates(), cert]);
}
