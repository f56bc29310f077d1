/** A certificate authority of a test, by openssl, and what it issues. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate with its key, in PEM and as files. */
export interface Issued {
  readonly key: string;
  readonly cert: string;
  readonly keyFile: string;
  readonly certFile: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Disposing removes its files. */
export class TestAuthority implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'dray-authority-'));
  readonly certFile = join(this.directory, 'ca.pem');
  readonly #keyFile = join(this.directory, 'ca-key.pem');
  #issued = 0;

  constructor() {
    const files = ['-keyout', this.#keyFile, '-out', this.certFile];
    openssl(['req', '-x509', ...NEW_KEY, '-subj', '/CN=dray test authority', ...files]);
  }

  /** Its own certificate in PEM. */
  get cert(): string {
    return readFileSync(this.certFile, 'utf8');
  }

  /** @param names such as `DNS:registry.test` and `IP:127.0.0.1`; days below 0 have passed. */
  issue(names: readonly string[], { days = 2 }: { readonly days?: number } = {}): Issued {
    const file = (name: string): string => join(this.directory, `${this.#issued}-${name}`);
    this.#issued += 1;
    const [keyFile, certFile, request, extensions] = ['key', 'cert', 'request', 'ext'].map(file);
    if (!keyFile || !certFile || !request || !extensions) throw new TypeError('four names');
    writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`);
    openssl([
      'req',
      '-new',
      ...NEW_KEY,
      '-subj',
      '/CN=dray test',
      '-keyout',
      keyFile,
      '-out',
      request,
    ]);
    const signer = ['-CA', this.certFile, '-CAkey', this.#keyFile, '-CAcreateserial'];
    const life = ['-days', String(days), '-extfile', extensions];
    openssl(['x509', '-req', '-in', request, ...signer, ...life, '-out', certFile]);
    const [key, cert] = [readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8')];
    return { key, cert, keyFile, certFile };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function openssl(argv: readonly string[]): void {
  execFileSync('openssl', argv, { stdio: 'ignore' });
}
