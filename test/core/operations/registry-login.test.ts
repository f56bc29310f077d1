import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import type { EngineSettings } from '../../../src/core/operations/engine.ts';
import {
  type KeptLogin,
  loginToRegistry,
  logoutFromAll,
  logoutFromRegistry,
  tryKeptLogin,
} from '../../../src/core/operations/registry-login.ts';
import { keepCredentials } from '../../../src/core/registry/credential-login.ts';
import { credentialSource } from '../../../src/core/registry/credential-store.ts';
import type { AuthFile, RegistrySettings } from '../../../src/core/registry/registry-settings.ts';
import { AuthHome, basicAuth } from '../../support/auth-files.ts';
import { engineError } from '../../support/engine-errors.ts';
import { ForwardProxy } from '../../support/forward-proxy.ts';
import { buildImage } from '../../support/image-builder.ts';
import { quickClient } from '../../support/registry-clients.ts';
import { type FaultHook, TestRegistry } from '../../support/test-registry.ts';
import { TokenService } from '../../support/token-service.ts';

const ME = basicAuth('me', 'password');
const basicGuard: FaultHook = ({ headers }) =>
  headers.authorization === `Basic ${ME.auth}`
    ? undefined
    : { status: 401, headers: { 'www-authenticate': 'Basic realm="test"' } };

let home: AuthHome;
let registry: TestRegistry;
beforeEach(async () => {
  home = new AuthHome();
  registry = await TestRegistry.start({ fault: basicGuard });
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

function settings(registries: RegistrySettings = home.settings()): EngineSettings {
  const dirs = { dataDir: '/nonexistent', runDir: '/nonexistent' };
  return { ...dirs, insecureRegistries: [], version: '0', registries };
}

const read = (file: AuthFile) => JSON.parse(readFileSync(file.path, 'utf8'));
const login = (name = registry.host, password = 'password', registries = home.settings()) =>
  loginToRegistry(settings(registries), { registry: name, username: 'me', password });

describe('what is kept for a registry', () => {
  const rows: [name: string, file: () => unknown, outcome: KeptLogin][] = [
    ['is taken', () => ({ auths: { [registry.host]: ME } }), 'taken'],
    ['is refused', () => ({ auths: { [registry.host]: basicAuth('me', 'old-one') } }), 'refused'],
    ['is nothing', () => ({ auths: { 'other.test': ME } }), 'none'],
    ['is nothing that can be read', () => ({ auths: { [registry.host]: { auth: '!' } } }), 'none'],
    ['is in a broken file', () => '{', 'none'],
  ];
  for (const [name, file, outcome] of rows) {
    it(`${name} when it is tried`, async () => {
      home.write(home.docker, file());
      const before = readFileSync(home.docker.path, 'utf8');
      assert.equal(await tryKeptLogin(settings(), registry.host), outcome);
      assert.equal(registry.requests.length > 0, outcome !== 'none');
      assert.equal(readFileSync(home.docker.path, 'utf8'), before);
    });
  }

  it('is nothing where a named file is still to be made, or where no credentials are asked for', async () => {
    const named = { ...home.podman, isNamed: true };
    const registries = home.settings({ authFiles: [named], loginFile: named });
    assert.equal(await tryKeptLogin(settings(registries), registry.host), 'none');
    registry.fault = undefined;
    assert.equal(await tryKeptLogin(settings(), registry.host), 'none');
  });

  it('is an identity token, and the one that the service gives for it is kept', async () => {
    const tokens = JSON.stringify({ token: 'access-token', refresh_token: 'second-token' });
    const challenge = `Bearer realm="${registry.origin}/token"`;
    registry.fault = ({ path, headers }) => {
      if (path === '/token') return { status: 200, body: tokens };
      if (headers.authorization === 'Bearer access-token') return undefined;
      return { status: 401, headers: { 'www-authenticate': challenge } };
    };
    home.write(home.docker, {
      auths: { [registry.host]: { ...basicAuth('me', ''), identitytoken: 'first-token' } },
    });
    assert.equal(await tryKeptLogin(settings(), registry.host), 'taken');
    const [sent] = registry.requestsFor('/token');
    assert.equal(new URLSearchParams(sent?.body.toString()).get('refresh_token'), 'first-token');
    assert.equal(read(home.docker).auths[registry.host].identitytoken, 'second-token');
  });
});

describe('login', () => {
  it("keeps what the registry took in docker's file, for its owner alone", async () => {
    assert.deepEqual(await login(), { file: home.docker.path, helper: undefined });
    assert.deepEqual(read(home.docker), { auths: { [registry.host]: ME } });
    assert.equal(statSync(home.docker.path).mode & 0o7777, 0o600);
    assert.equal(statSync(dirname(home.docker.path)).mode & 0o7777, 0o700);
    assert.deepEqual(readdirSync(dirname(home.docker.path)), ['config.json']);
  });

  it('keeps nothing that the registry refused', async () => {
    await assert.rejects(login(registry.host, 'wrong-one'), (error) => {
      engineError('REGISTRY_UNAUTHORIZED')(error);
      assert.match(error instanceof EngineError ? (error.hint ?? '') : '', /^Check user name/);
      return true;
    });
    assert.equal(existsSync(home.docker.path), false);
  });

  it('leaves all that it does not know in the file', async () => {
    const before = {
      HttpHeaders: { 'X-Test': '1' },
      auths: { [registry.host]: { auth: 'b2xkOm9sZA==', email: 'a@b' }, 'b.io': { x: [1, null] } },
      psFormat: 'table',
      __proto_: 1,
    };
    home.write(home.docker, before);
    await login();
    assert.deepEqual(read(home.docker), {
      ...before,
      auths: { 'b.io': { x: [1, null] }, [registry.host]: { email: 'a@b', ...ME } },
    });
  });

  it('keeps an identity token in place of the password', async () => {
    await using service = await TokenService.start({ users: { me: 'password' } });
    registry.fault = service.guard();
    await login();
    assert.deepEqual(read(home.docker).auths[registry.host], {
      ...basicAuth('me', ''),
      identitytoken: 'refresh-of-me',
    });
  });

  it('gives credentials to the helper that the file names', async () => {
    home.helper('mine', 'cat > "$HELPER_DIR/$1"');
    home.write(home.docker, { credsStore: 'mine' });
    assert.deepEqual(await login(), { file: home.docker.path, helper: 'mine' });
    const kept = JSON.parse(readFileSync(join(home.directory, 'store'), 'utf8'));
    assert.deepEqual(kept, { ServerURL: registry.host, Username: 'me', Secret: 'password' });
    assert.deepEqual(read(home.docker), { credsStore: 'mine', auths: { [registry.host]: {} } });
  });

  it("keeps a part of a registry in a file of podman's, and in no other", async () => {
    const name = `${registry.host}/team/app`;
    await assert.rejects(login(name), engineError('USAGE_INVALID', /whole registries/));
    const file = { ...home.podman, isNamed: true };
    const named = home.settings({ authFiles: [file], loginFile: file });
    await login(name, 'password', named);
    assert.deepEqual(read(home.podman), { auths: { [name]: ME } });
  });

  for (const prefix of ['http://', 'https://']) {
    for (const suffix of ['', '/', '/v2/']) {
      it(`takes ${prefix}HOST${suffix} for the host`, async () => {
        await login(prefix + registry.host + suffix);
        assert.deepEqual(Object.keys(read(home.docker).auths), [registry.host]);
      });
    }
  }

  for (const name of ['', 'a b', 'cr.io:x', 'me:pw@cr.io', 'ftp://cr.io', 'name', '../x']) {
    it(`takes ${JSON.stringify(name)} for no registry`, async () => {
      await assert.rejects(login(name), engineError('USAGE_INVALID', /no registry/));
      assert.equal(existsSync(home.docker.path), false);
    });
  }

  for (const [username, password] of [
    ['', 'x'],
    ['me', ''],
    ['a:b', 'x'],
    ['me', 'a\nb'],
  ] as const) {
    it(`does not send ${JSON.stringify([username, password])}`, async () => {
      const request = { registry: registry.host, username, password };
      await assert.rejects(loginToRegistry(settings(), request), engineError('USAGE_INVALID'));
      assert.equal(registry.requests.length, 0);
    });
  }

  /** The settings where registries.conf is `text`, and every host is `registry`. */
  const configured = (text: string, proxy: ForwardProxy): EngineSettings => {
    const proxies = { http: `http://${proxy.host}`, https: `http://${proxy.host}` };
    const file = join(home.directory, 'registries.conf');
    writeFileSync(file, text);
    const system = { file, directory: join(home.directory, 'none.d') };
    return { ...settings(home.settings({ proxies })), registriesConf: { system } };
  };
  const REQUEST = { registry: 'registry.test:5000', username: 'me', password: 'password' };

  for (const [name, rule] of [
    ['the registry', 'location = "registry.test:5000"'],
    ['all of its domain', 'prefix = "*.test"'],
  ]) {
    it(`speaks plain http where registries.conf says that ${name} is insecure`, async () => {
      await using proxy = await ForwardProxy.start({ port: registry.port });
      await loginToRegistry(configured(`[[registry]]\n${rule}\ninsecure = true\n`, proxy), REQUEST);
      const targets = proxy.requests.map(({ target }) => target);
      assert.deepEqual(new Set(targets), new Set(['http://registry.test:5000/v2/']));
    });
  }

  it('sends no password to a registry that is blocked', async () => {
    await using proxy = await ForwardProxy.start({ port: registry.port });
    const text = '[[registry]]\nlocation = "registry.test:5000"\nblocked = true\ninsecure = true\n';
    const attempt = loginToRegistry(configured(text, proxy), REQUEST);
    await assert.rejects(attempt, engineError('REGISTRY_BLOCKED', /registry\.test:5000/));
    assert.deepEqual(proxy.requests, []);
    assert.equal(existsSync(home.docker.path), false);
  });

  it('leaves a broken file as it is', async () => {
    home.write(home.docker, '{"auths":{');
    await assert.rejects(login(), engineError('CONFIG_INVALID', /not JSON/));
    assert.equal(readFileSync(home.docker.path, 'utf8'), '{"auths":{');
    assert.deepEqual(readdirSync(dirname(home.docker.path)), ['config.json']);
  });

  it('writes through a link', async () => {
    const target = join(home.directory, 'dotfiles.json');
    writeFileSync(target, '{}');
    mkdirSync(dirname(home.docker.path));
    symlinkSync(target, home.docker.path);
    await login();
    assert.equal(readlinkSync(home.docker.path), target);
    assert.deepEqual(JSON.parse(readFileSync(target, 'utf8')), { auths: { [registry.host]: ME } });
  });
});

describe('logins at the same time', () => {
  const KEEP = new URL('../../../src/core/registry/credential-login.ts', import.meta.url).href;
  const PROGRAM = `
    const { keepCredentials } = await import(process.argv[1]);
    const [, , path, from] = process.argv;
    const file = { path, format: 'docker', isNamed: false };
    const settings = { authFiles: [file], loginFile: file, helperEnvironment: () => ({}) };
    const credentials = { kind: 'password', username: 'me', password: 'password' };
    for (let i = 0; i < 10; i++) {
      await keepCredentials({ registry: from + i + '.test' }, credentials, { settings });
    }
  `;

  it('of several processes lose nothing', async () => {
    const ended = ['a', 'b', 'c'].map((from) => {
      const argv = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', PROGRAM];
      const child = spawn(process.execPath, [...argv, KEEP, home.docker.path, from], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      return new Promise((resolve) => child.once('exit', resolve));
    });
    assert.deepEqual(await Promise.all(ended), [0, 0, 0]);
    assert.equal(Object.keys(read(home.docker).auths).length, 30);
    assert.deepEqual(readdirSync(dirname(home.docker.path)), ['config.json']);
  });

  it('lose nothing while fetches read the file', async () => {
    const image = buildImage({ layers: [Buffer.from('layer')] });
    registry.addImage('a/b', 'latest', image);
    await login();
    const credentials = { kind: 'password', username: 'me', password: 'password' } as const;
    const logins = Array.from({ length: 20 }, (_, index) =>
      keepCredentials({ registry: `h${index}.test` }, credentials, { settings: home.settings() }),
    );
    const fetches = Array.from({ length: 10 }, async () => {
      const options = { registries: home.settings() };
      await using client = quickClient(registry.host, {}, options).client;
      return (await client.fetchManifest('a/b', 'latest')).digest;
    });
    await Promise.all([...logins, ...fetches]);
    assert.equal(Object.keys(read(home.docker).auths).length, 21);
  });
});

describe('logout', () => {
  it('forgets one registry, under all the keys that mean it', async () => {
    home.write(home.docker, {
      auths: { 'cr.io': ME, 'https://cr.io/v2/': ME, 'cr.io:5000': ME, 'sub.cr.io': ME },
      psFormat: 'table',
    });
    const forgotten = await logoutFromRegistry(settings(), 'cr.io');
    assert.deepEqual(forgotten, { isForgotten: true, remainingIn: [] });
    assert.deepEqual(read(home.docker), {
      auths: { 'cr.io:5000': ME, 'sub.cr.io': ME },
      psFormat: 'table',
    });
  });

  it('forgets docker.io by any of its names', async () => {
    home.write(home.docker, { auths: { 'https://index.docker.io/v1/': ME, 'docker.io': ME } });
    assert.equal((await logoutFromRegistry(settings(), 'index.docker.io')).isForgotten, true);
    assert.deepEqual(read(home.docker), { auths: {} });
  });

  it('says when there was nothing to forget, and who else has credentials', async () => {
    home.write(home.podman, { auths: { 'cr.io': ME } });
    const forgotten = await logoutFromRegistry(settings(), 'cr.io');
    assert.deepEqual(forgotten, { isForgotten: false, remainingIn: [home.podman.path] });
    assert.equal(existsSync(home.docker.path), false);
  });

  it('makes the helper forget too', async () => {
    home.helper('mine', 'cat > "$HELPER_DIR/$1"');
    home.write(home.docker, { auths: { 'cr.io': {} }, credHelpers: { 'cr.io': 'mine' } });
    await logoutFromRegistry(settings(), 'cr.io');
    assert.equal(readFileSync(join(home.directory, 'erase'), 'utf8'), 'cr.io');
    assert.deepEqual(read(home.docker).auths, {});
  });

  it('of all forgets everything, in the helpers too', async () => {
    home.helper(
      'mine',
      'if [ "$1" = list ]; then echo \'{"cr.io":"me","b.io":"you"}\'; exit; fi',
      'cat >> "$HELPER_DIR/$1"; echo >> "$HELPER_DIR/$1"',
    );
    home.write(home.docker, { auths: { 'cr.io': {}, 'c.io': ME }, credsStore: 'mine' });
    await logoutFromAll(settings());
    assert.deepEqual(read(home.docker), { auths: {}, credsStore: 'mine' });
    assert.equal(readFileSync(join(home.directory, 'erase'), 'utf8'), 'cr.io\nb.io\n');
  });

  it('is seen by the next who asks', async () => {
    await login();
    const find = () =>
      credentialSource(registry.host, home.settings()).find('x', new AbortController().signal);
    assert.equal((await find())?.username, 'me');
    await logoutFromRegistry(settings(), registry.host);
    assert.equal(await find(), undefined);
  });
});
