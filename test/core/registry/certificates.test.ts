import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { EngineError } from '../../../src/core/errors.ts';
import { checkCredentials } from '../../../src/core/registry/check-credentials.ts';
import {
  type CertificateSettings,
  NO_REGISTRY_SETTINGS,
} from '../../../src/core/registry/registry-settings.ts';
import { type Issued, TestAuthority } from '../../support/authority.ts';
import { engineError } from '../../support/engine-errors.ts';
import { QUICK } from '../../support/registry-clients.ts';
import { TestRegistry } from '../../support/test-registry.ts';

let authority: TestAuthority;
let good: Issued;
let expired: Issued;
let misnamed: Issued;
let ours: Issued;
before(() => {
  authority = new TestAuthority();
  good = authority.issue(['IP:127.0.0.1']);
  expired = authority.issue(['IP:127.0.0.1'], { days: -1 });
  misnamed = authority.issue(['DNS:other.test']);
  ours = authority.issue(['DNS:client.test']);
});
after(() => authority[Symbol.dispose]());

let directory: string;
let hostDirs: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'dray-certs-'));
  hostDirs = [join(directory, 'containers'), join(directory, 'docker')];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** An https server that answers everything with 200, and what certificates it was shown. */
class TlsServer implements AsyncDisposable {
  readonly shown: (string | undefined)[] = [];
  readonly #server: Server;

  private constructor(certificate: Issued, wantsOurs: boolean) {
    const options = { key: certificate.key, cert: certificate.cert, ca: authority.cert };
    const client = { requestCert: wantsOurs, rejectUnauthorized: wantsOurs };
    this.#server = createServer({ ...options, ...client }, (request, response) => {
      const { subjectaltname } = (request.socket as TLSSocket).getPeerCertificate();
      this.shown.push(subjectaltname);
      response.end('{}');
    });
  }

  static async start(certificate: Issued, { wantsOurs = false } = {}): Promise<TlsServer> {
    const server = new TlsServer(certificate, wantsOurs);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function reach(host: string, settings: Partial<CertificateSettings> = {}): Promise<void> {
  const certificates = { hostDirs, bundles: [], ...settings };
  await checkCredentials(
    { registry: host, find: async () => undefined },
    {
      // Loopback hosts are spoken to in http otherwise.
      endpoint: new URL(`https://${host}/`),
      insecureRegistries: [],
      userAgent: 'dray-test',
      registries: { ...NO_REGISTRY_SETTINGS, certificates },
      limits: QUICK,
    },
  );
}

/** A directory with these files, by name. */
function fill(dir: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, source] of Object.entries(files)) copyFileSync(source, join(dir, name));
}

describe('an authority is trusted', () => {
  const rows: [name: string, settings: (host: string) => Partial<CertificateSettings>][] = [
    [
      "in podman's directory for the host",
      (host) => {
        fill(join(hostDirs[0] ?? '', host), { 'ca.crt': authority.certFile });
        return {};
      },
    ],
    [
      "in docker's directory for the host, under any name",
      (host) => {
        fill(join(hostDirs[1] ?? '', host), { 'our own.crt': authority.certFile });
        return {};
      },
    ],
    [
      'in the directory that is named',
      () => {
        fill(join(directory, 'named'), { 'ca.crt': authority.certFile });
        return { certDir: join(directory, 'named') };
      },
    ],
    ['in a bundle of the system', () => ({ bundles: ['/nonexistent', authority.certFile] })],
    ['in SSL_CERT_FILE', () => ({ caFile: authority.certFile })],
    [
      'in SSL_CERT_DIR, beside files that are none',
      () => {
        fill(join(directory, 'certs'), {
          'a1b2.0': authority.certFile,
          README: authority.certFile,
        });
        writeFileSync(join(directory, 'certs', 'README'), 'no certificate');
        return { caDirs: [join(directory, 'certs')] };
      },
    ],
  ];
  for (const [name, settings] of rows) {
    it(name, async () => {
      await using server = await TlsServer.start(good);
      await reach(server.host, settings(server.host));
      assert.equal(server.shown.length, 1);
    });
  }
});

describe('a connection is refused', () => {
  async function assertRefused(
    server: TlsServer,
    message: RegExp,
    settings: Partial<CertificateSettings> = { caFile: authority.certFile },
  ): Promise<string> {
    let hint = '';
    await assert.rejects(reach(server.host, settings), (error) => {
      engineError('REGISTRY_UNAVAILABLE', message)(error);
      hint = error instanceof EngineError ? (error.hint ?? '') : '';
      return true;
    });
    assert.deepEqual(server.shown, []);
    return hint;
  }

  it('when nobody trusted has signed, with the place to put the authority into', async () => {
    await using server = await TlsServer.start(good);
    const hint = await assertRefused(server, /cannot be trusted: no trusted authority/, {});
    assert.ok(hint.includes(`/etc/containers/certs.d/${server.host}/ca.crt`), hint);
  });

  it('when the authority is in the directory of another port', async () => {
    await using server = await TlsServer.start(good);
    fill(join(hostDirs[0] ?? '', '127.0.0.1:1'), { 'ca.crt': authority.certFile });
    await assertRefused(server, /no trusted authority/, {});
  });

  it('when SSL_CERT_FILE has other authorities, whatever a bundle has', async () => {
    await using server = await TlsServer.start(good);
    using other = new TestAuthority();
    const settings = { caFile: other.certFile, bundles: [authority.certFile] };
    await assertRefused(server, /no trusted authority/, settings);
  });

  it('when its certificate has expired', async () => {
    await using server = await TlsServer.start(expired);
    const hint = await assertRefused(server, /its certificate has expired/);
    assert.match(hint, /must be renewed/);
  });

  it('when its certificate is for another name', async () => {
    await using server = await TlsServer.start(misnamed);
    const hint = await assertRefused(server, /for another name.*127\.0\.0\.1/);
    assert.match(hint, /a name that the certificate is for/);
  });

  it('when what answers is no TLS, in words without addresses and source files', async () => {
    await using plain = await TestRegistry.start();
    await assert.rejects(
      reach(plain.host),
      engineError(
        'REGISTRY_UNAVAILABLE',
        /failed \(EPROTO: what answers there does not speak TLS\)$/,
      ),
    );
  });
});

describe('a certificate of ours', () => {
  it('is shown to the host that it is for, and to no other', async () => {
    await using server = await TlsServer.start(good, { wantsOurs: true });
    await using other = await TlsServer.start(good);
    const files = {
      'ca.crt': authority.certFile,
      'us.cert': ours.certFile,
      'us.key': ours.keyFile,
    };
    fill(join(hostDirs[0] ?? '', server.host), files);
    await reach(server.host);
    assert.deepEqual(server.shown, ['DNS:client.test']);
    await reach(other.host, { caFile: authority.certFile });
    assert.deepEqual(other.shown, [undefined]);
  });

  const broken: [name: string, files: () => Record<string, string>, message: RegExp][] = [
    ['without its key', () => ({ 'us.cert': ours.certFile }), /us\.key" is missing/],
    ['that is missing beside its key', () => ({ 'us.key': ours.keyFile }), /us\.cert" is missing/],
    [
      'with the key of another',
      () => ({ 'us.cert': ours.certFile, 'us.key': good.keyFile }),
      /us\.key" is not the private key of/,
    ],
    [
      'that is a key',
      () => ({ 'us.cert': ours.keyFile, 'us.key': ours.keyFile }),
      /no certificates in PEM/,
    ],
    [
      'whose authority is a key',
      () => ({ 'ca.crt': ours.keyFile }),
      /ca\.crt" holds no certificates/,
    ],
  ];
  for (const [name, files, message] of broken) {
    it(`${name} is an error that names the file`, async () => {
      await using server = await TlsServer.start(good);
      fill(join(hostDirs[0] ?? '', server.host), files());
      await assert.rejects(reach(server.host), engineError('CONFIG_INVALID', message));
      assert.deepEqual(server.shown, []);
    });
  }

  it('is not looked for outside of the directories, whatever a host is called', async () => {
    fill(directory, { 'ca.crt': ours.keyFile });
    await assert.rejects(reach('..'), engineError('REGISTRY_UNAVAILABLE'));
  });

  it('is asked for by a file that must be there: SSL_CERT_FILE', async () => {
    await using server = await TlsServer.start(good);
    const failed = reach(server.host, { caFile: join(directory, 'nothing.pem') });
    await assert.rejects(failed, engineError('CONFIG_INVALID', /nothing\.pem/));
  });
});
