/**
 * `login`, `logout` and what they allow, against a registry with users, TLS and an authority of its own
 * that is only reached through a proxy; and beside skopeo, which reads and writes the same files.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { TestAuthority } from '../support/authority.ts';
import { DockerRegistry, REGISTRY_PASSWORD, REGISTRY_USER } from '../support/docker-registry.ts';
import { ForwardProxy } from '../support/forward-proxy.ts';
import { buildImage } from '../support/image-builder.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CLI, CliHome } from '../support/run-cli.ts';
import { tarOf } from '../support/tar-builder.ts';

const run = promisify(execFile);
const IMAGE = 'registry.test/team/app:v1';

describe('a registry with users, TLS and a proxy before it', () => {
  let authority: TestAuthority;
  let registry: DockerRegistry;
  let proxy: ForwardProxy;
  let home: CliHome;
  let certDir: string;
  let env: Record<string, string>;

  before(async () => {
    authority = new TestAuthority();
    const tls = authority.issue(['DNS:registry.test']);
    registry = await DockerRegistry.start(undefined, { hasUsers: true, tls });
    proxy = await ForwardProxy.start({ port: Number(registry.host.split(':')[1]) });
    home = new CliHome();
    certDir = join(home.directory, 'certs');
    mkdirSync(certDir);
    copyFileSync(authority.certFile, join(certDir, 'ca.crt'));
    env = {
      HOME: home.directory,
      DOCKER_CONFIG: join(home.directory, 'docker'),
      XDG_RUNTIME_DIR: join(home.directory, 'xdg'),
      HTTPS_PROXY: `http://${proxy.host}`,
      NO_PROXY: '',
    };
    const image = buildImage({ layers: [tarOf([{ name: 'file', content: 'content' }])] });
    const layout = writeLayout(join(home.directory, 'image'), [{ image, refName: 'latest' }]);
    const credentials = ['--dest-creds', `${REGISTRY_USER}:${REGISTRY_PASSWORD}`];
    const target = ['--dest-cert-dir', certDir, `docker://${IMAGE}`];
    const copy = ['--insecure-policy', 'copy', '-q', ...credentials, `oci:${layout}:latest`];
    await run('skopeo', [...copy, ...target], { env: { ...process.env, ...env } });
  });
  after(async () => {
    await home[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    authority[Symbol.dispose]();
  });

  const dray = (argv: readonly string[], more: { stdin?: string; env?: object } = {}) =>
    home.run(argv, {
      ...(more.stdin === undefined ? {} : { stdin: more.stdin }),
      env: { ...env, SSL_CERT_FILE: authority.certFile, ...more.env },
    });
  const login = ['login', '-u', REGISTRY_USER, '--password-stdin', 'registry.test'];

  it('lets nobody fetch before a login, everybody after it, and the logout forgets it', async () => {
    const anonymous = await dray(['fetch', IMAGE]);
    assert.equal(anonymous.status, 1);
    assert.match(anonymous.stderr, /asks for credentials/);
    assert.match(anonymous.stderr, /dray login registry\.test/);

    const wrong = await dray(login, { stdin: 'wrong-password\n' });
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /credentials rejected/);
    assert.doesNotMatch(wrong.stderr + wrong.stdout, /wrong-password/);

    const right = await dray(login, { stdin: `${REGISTRY_PASSWORD}\n` });
    assert.equal(
      right.stderr + right.stdout,
      `dray: the credentials are kept unencrypted in ${env.DOCKER_CONFIG}/config.json\nLogin Succeeded\n`,
    );
    const fetched = await dray(['fetch', IMAGE, '--debug']);
    assert.equal(fetched.status, 0, fetched.stderr);
    assert.doesNotMatch(fetched.stderr, new RegExp(REGISTRY_PASSWORD));

    const skopeo = ['inspect', '--raw', '--cert-dir', certDir, `docker://${IMAGE}`];
    await run('skopeo', skopeo, { env: { ...process.env, ...env } });

    const out = await dray(['logout', 'registry.test']);
    assert.equal(out.stdout, 'Removed the credentials of registry.test\n');
    const kept = readFileSync(join(env.DOCKER_CONFIG ?? '', 'config.json'), 'utf8');
    assert.deepEqual(JSON.parse(kept), { auths: {} });
    assert.ok(proxy.requests.every(({ target }) => target === 'registry.test:443'));
  });

  it('is fetched from with what skopeo kept, and a directory of certificates', async () => {
    const authfile = join(home.directory, 'auth.json');
    const argv = ['login', '-u', REGISTRY_USER, '-p', REGISTRY_PASSWORD, '--authfile', authfile];
    await run('skopeo', [...argv, '--cert-dir', certDir, 'registry.test'], {
      env: { ...process.env, ...env },
    });
    const flags = ['--authfile', authfile, '--cert-dir', certDir];
    const without = { env: { SSL_CERT_FILE: '' } };
    const fetched = await dray(['fetch', ...flags, IMAGE], without);
    assert.equal(fetched.status, 0, fetched.stderr);
    const untrusted = await dray(['fetch', '--authfile', authfile, IMAGE], without);
    assert.equal(untrusted.status, 1);
    assert.match(untrusted.stderr, /no trusted authority has signed/);
    assert.match(untrusted.stderr, /\/etc\/containers\/certs\.d\/registry\.test\/ca\.crt/);
  });

  it('asks for name and password on a terminal, and shows no password', async () => {
    const command = [CLI, 'login', '--cert-dir', certDir, 'registry.test'].join(' ');
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env.PATH, TERM: 'xterm', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let shown = '';
    const asked = (question: string): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => void (shown.endsWith(question) && resolve());
        child.stdout.on('data', look);
        look();
      });
    child.stdout.setEncoding('utf8').on('data', (text) => {
      shown += text;
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await asked('Username: ');
    child.stdin.write(`${REGISTRY_USER}\r`);
    await asked('Password: ');
    // Control-U takes back all, and backspace one.
    child.stdin.write(`wrong\u0015x\u007f${REGISTRY_PASSWORD}\r`);
    assert.equal(await ended, 0, shown);
    assert.match(shown, /Username: me\r\nPassword: \r\n[\s\S]*Login Succeeded\r\n$/);
    const { auths } = JSON.parse(
      readFileSync(join(env.DOCKER_CONFIG ?? '', 'config.json'), 'utf8'),
    );
    assert.deepEqual(Object.keys(auths), ['registry.test']);
    const again = await dray(['login', '--cert-dir', certDir, 'registry.test']);
    assert.equal(again.stdout, 'Login Succeeded\n', again.stderr);
    assert.match(again.stderr, /kept already are taken/);
  });
});
