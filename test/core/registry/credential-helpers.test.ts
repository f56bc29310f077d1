import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { EngineError, type ErrorCode } from '../../../src/core/errors.ts';
import {
  type CredentialHelper,
  eraseFromHelper,
  getFromHelper,
  listHelper,
  storeInHelper,
} from '../../../src/core/registry/credential-helper.ts';
import { credentialSource } from '../../../src/core/registry/credential-store.ts';
import type { RegistrySettings } from '../../../src/core/registry/registry-settings.ts';
import { AuthHome, basicAuth } from '../../support/auth-files.ts';
import { engineError } from '../../support/engine-errors.ts';

const NEVER = new AbortController().signal;

let home: AuthHome;
beforeEach(() => {
  home = new AuthHome();
});
afterEach(() => home[Symbol.dispose]());

function find(registry: string, settings: RegistrySettings = home.settings()) {
  return credentialSource(registry, settings).find('x', NEVER);
}

function helperNamed(name: string, changes: Partial<CredentialHelper> = {}): CredentialHelper {
  const environment = home.settings().helperEnvironment();
  return { name, namedBy: '/auth/file', environment, ...changes };
}

/** Keeps what it reads and how it was called, and answers. */
const recording = (answer: string) => [
  'printf "%s" "$*" > "$HELPER_DIR/arguments"',
  'cat > "$HELPER_DIR/input"',
  `printf '%s' '${answer}'`,
];
const recorded = (name: 'arguments' | 'input') => readFileSync(join(home.directory, name), 'utf8');

describe('a credential helper', () => {
  it('is asked for the server, through its standard input', async () => {
    home.helper('mine', ...recording('{"ServerURL":"cr.io","Username":"me","Secret":"pw"}'));
    home.write(home.docker, { credHelpers: { 'cr.io': 'mine' } });
    assert.deepEqual(await find('cr.io'), { kind: 'password', username: 'me', password: 'pw' });
    assert.deepEqual([recorded('arguments'), recorded('input')], ['get', 'cr.io']);
  });

  it('is asked for docker.io by the key that docker uses', async () => {
    home.helper('mine', ...recording('{"Username":"me","Secret":"pw"}'));
    home.write(home.docker, { credsStore: 'mine' });
    await find('docker.io');
    assert.equal(recorded('input'), 'https://index.docker.io/v1/');
  });

  it('may give an identity token', async () => {
    home.helper('mine', ...recording('{"Username":"<token>","Secret":"id"}'));
    home.write(home.docker, { credsStore: 'mine' });
    assert.deepEqual(await find('cr.io'), { kind: 'identity-token', username: '', token: 'id' });
  });

  it('for one host wins over the one for all, and both over entries of the file', async () => {
    home.helper('one', ...recording('{"Username":"one","Secret":"pw"}'));
    home.helper('all', ...recording('{"Username":"all","Secret":"pw"}'));
    home.write(home.docker, {
      auths: { 'cr.io': basicAuth('file', 'pw'), 'b.io': basicAuth('file', 'pw') },
      credHelpers: { 'cr.io': 'one', 'c.io': '' },
      credsStore: 'all',
    });
    assert.equal((await find('cr.io'))?.username, 'one');
    assert.equal((await find('b.io'))?.username, 'all');
    assert.equal(await find('c.io'), undefined, 'an empty name means the file itself');
  });

  it('that knows nothing leaves the question to the next file, not to the entries of its own', async () => {
    home.helper('mine', 'echo "credentials not found in native keychain"; exit 1');
    home.write(home.docker, { auths: { 'cr.io': basicAuth('file', 'pw') }, credsStore: 'mine' });
    assert.equal(await find('cr.io'), undefined);
    home.write(home.podman, { auths: { 'cr.io': basicAuth('podman', 'pw') } });
    assert.equal((await find('cr.io'))?.username, 'podman');
  });

  it('gets secrets to keep through its standard input, never as an argument', async () => {
    home.helper('mine', ...recording(''));
    const credentials = { kind: 'password', username: 'me', password: 'top-secret' } as const;
    await storeInHelper(helperNamed('mine'), 'cr.io', credentials);
    assert.equal(recorded('arguments'), 'store');
    assert.deepEqual(JSON.parse(recorded('input')), {
      ServerURL: 'cr.io',
      Username: 'me',
      Secret: 'top-secret',
    });
  });

  it('lists and erases', async () => {
    home.helper('mine', ...recording('{"cr.io":"me","b.io":"you"}'));
    assert.deepEqual(await listHelper(helperNamed('mine')), ['cr.io', 'b.io']);
    assert.equal(await eraseFromHelper(helperNamed('mine'), 'cr.io'), true);
    assert.deepEqual([recorded('arguments'), recorded('input')], ['erase', 'cr.io']);
  });

  it('is looked up in the PATH of the settings alone', async () => {
    home.helper('mine', ...recording('{"Username":"me","Secret":"pw"}'));
    const environment = { PATH: 'bin:.:/nowhere', HELPER_DIR: home.directory };
    await assert.rejects(
      getFromHelper(helperNamed('mine', { environment }), 'cr.io'),
      engineError('CREDENTIALS_UNAVAILABLE', /in no directory of PATH/),
    );
    assert.equal(existsSync(join(home.directory, 'arguments')), false);
  });

  it('ends with the signal of whoever asks', async () => {
    home.helper('mine', 'echo $$ > "$HELPER_DIR/pid"', 'exec sleep 60');
    const controller = new AbortController();
    const helper = helperNamed('mine', { signal: controller.signal });
    const asked = assert.rejects(getFromHelper(helper, 'cr.io'), (error) => {
      return error === controller.signal.reason;
    });
    const pidFile = join(home.directory, 'pid');
    while (!existsSync(pidFile) || readFileSync(pidFile, 'utf8') === '') {
      await new Promise((resolve) => setImmediate(resolve));
    }
    controller.abort(new Error('enough'));
    await asked;
    assert.throws(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 0), { code: 'ESRCH' });
  });
});

describe('a credential helper that', () => {
  const rows: [name: string, helper: string, script: string[], message: RegExp][] = [
    ['is missing', 'missing', [], /in no directory of PATH/],
    ['hangs', 'bad', ['exec sleep 60'], /did not end within 300 ms/],
    ['floods', 'bad', ['exec cat /dev/zero'], /more than 262144 bytes/],
    ['prints garbage', 'bad', ['echo "top-secret <garbage>"'], /gave no JSON object/],
    ['prints nothing', 'bad', [':'], /gave no JSON object/],
    ['prints a list', 'bad', ['echo "[]"'], /no Username or no Secret/],
    ['prints no secret', 'bad', [`echo '{"Username":"me"}'`], /no Username or no Secret/],
    [
      'fails',
      'bad',
      ['echo "the vault is shut" >&2; exit 3'],
      /status 3; it says "the vault is shut"/,
    ],
    [
      'fails and tells',
      'bad',
      [`echo '{"Secret":"top-secret"}'; exit 1`],
      /"get" ended with status 1$/,
    ],
    ['dies', 'bad', ['kill -9 $$'], /SIGKILL/],
    ['is no program', 'bad', ['exec /nonexistent/program'], /status 12[67]/],
  ];
  for (const [name, helper, script, message] of rows) {
    it(`${name} is an error, and nothing takes its place`, async () => {
      if (script.length > 0) home.helper('bad', ...script);
      home.write(home.docker, { auths: { 'cr.io': basicAuth('file', 'pw') }, credsStore: helper });
      home.write(home.podman, { auths: { 'cr.io': basicAuth('podman', 'pw') } });
      await assert.rejects(find('cr.io', home.settings({ helperTimeoutMs: 300 })), (error) => {
        engineError('CREDENTIALS_UNAVAILABLE', message)(error);
        assert.ok(error instanceof EngineError && error.message.includes(home.docker.path));
        assert.doesNotMatch(error.message, /top-secret/);
        return true;
      });
    });
  }

  const names = ['../../evil', 'a/b', '/bin/sh', 'a b', 'a;b', '$(id)', 'a\nb', 'x'.repeat(101)];
  for (const name of names) {
    it(`is called ${JSON.stringify(name.slice(0, 12))} is not run`, async () => {
      home.write(home.docker, { credsStore: name });
      await assert.rejects(
        find('cr.io'),
        engineError('CONFIG_INVALID', /names the credential helper/),
      );
    });
  }

  const servers = ['cr.io\nevil.io', 'cr.io evil.io', 'cr.io\u0000'];
  for (const server of servers) {
    it(`is asked for ${JSON.stringify(server)} is not run`, async () => {
      home.helper('mine', ...recording('{"Username":"me","Secret":"pw"}'));
      const code: ErrorCode = 'CREDENTIALS_UNAVAILABLE';
      await assert.rejects(
        getFromHelper(helperNamed('mine'), server),
        engineError(code, /none that/),
      );
      assert.equal(existsSync(join(home.directory, 'arguments')), false);
    });
  }
});
