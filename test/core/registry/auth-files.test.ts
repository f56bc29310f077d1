import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { credentialSource } from '../../../src/core/registry/credential-store.ts';
import type { AuthFile, RegistrySettings } from '../../../src/core/registry/registry-settings.ts';
import { AuthHome, basicAuth } from '../../support/auth-files.ts';
import { engineError } from '../../support/engine-errors.ts';

const NEVER = new AbortController().signal;

let home: AuthHome;
beforeEach(() => {
  home = new AuthHome();
});
afterEach(() => home[Symbol.dispose]());

/** Who the files say we are for a repository; undefined when they say nothing. */
async function userFor(name: string, settings: RegistrySettings = home.settings()) {
  const [registry = '', ...repository] = name.split('/');
  const wanted = repository.length === 0 ? undefined : repository.join('/');
  return (await credentialSource(registry, settings).find(wanted, NEVER))?.username;
}

describe('an entry of an auth file is for', () => {
  const rows: [name: string, key: string, registry: string, isFor: boolean][] = [
    ['its host', 'cr.io', 'cr.io', true],
    ['no host that it ends', 'ghcr.io', 'cr.io', false],
    ['no host that ends with it', 'cr.io', 'ghcr.io', false],
    ['no host below its own', '127.0.0.1:5000', 'victim.127.0.0.1:5000', false],
    ['no host above its own', 'sub.cr.io', 'cr.io', false],
    ['its port', 'cr.io:5000', 'cr.io:5000', true],
    ['no other port', 'cr.io:5000', 'cr.io:5001', false],
    ['no host without its port', 'cr.io:5000', 'cr.io', false],
    ['no port when it has none', 'cr.io', 'cr.io:5000', false],
    ['a host in another case', 'CR.io', 'cr.io', true],
    ['the host of a URL', 'https://cr.io', 'cr.io', true],
    ['the host of a URL with http', 'http://cr.io/', 'cr.io', true],
    ['the host of a URL with the path of its API', 'https://cr.io/v2/', 'cr.io', true],
    ['no host in the path of a URL', 'https://evil.io/cr.io', 'cr.io', false],
    ['no host in its user information', 'https://cr.io@evil.io', 'cr.io', false],
    ['no other scheme', 'ftp://cr.io', 'cr.io', false],
    ['docker.io by the key that docker writes', 'https://index.docker.io/v1/', 'docker.io', true],
    ['docker.io by its name', 'docker.io', 'docker.io', true],
    ['docker.io by the name of its index', 'index.docker.io', 'docker.io', true],
    ['docker.io by the name of its service', 'registry-1.docker.io', 'docker.io', true],
    ['docker.io by none of its other names', 'hub.docker.io', 'docker.io', false],
    ['nothing when it is empty', '', 'cr.io', false],
    ['no property that every object has', 'cr.io', 'constructor', false],
  ];
  for (const [name, key, registry, isFor] of rows) {
    it(name, async () => {
      for (const file of [home.docker, home.podman]) {
        home.write(file, { auths: { [key]: basicAuth('it', 'pw') } });
        const settings = home.settings({ authFiles: [file] });
        assert.equal(await userFor(registry, settings), isFor ? 'it' : undefined, file.format);
      }
    });
  }
});

describe('of several entries', () => {
  const AUTHS = {
    'cr.io/team/app': basicAuth('app', 'pw'),
    'cr.io/team': basicAuth('team', 'pw'),
    'cr.io': basicAuth('host', 'pw'),
    'cr.io/other/': basicAuth('other', 'pw'),
  };
  const rows: [repository: string, user: string][] = [
    ['cr.io/team/app', 'app'],
    ['cr.io/team/app/part', 'app'],
    ['cr.io/team/apple', 'team'],
    ['cr.io/team', 'team'],
    ['cr.io/teamwork', 'host'],
    ['cr.io/other/x', 'other'],
    ['cr.io', 'host'],
  ];
  for (const [repository, user] of rows) {
    it(`the longest that fits counts for ${repository}`, async () => {
      home.write(home.podman, { auths: AUTHS });
      assert.equal(await userFor(repository), user);
    });
  }

  it('one for other repositories counts for nothing in a file of podman, and last in one of docker', async () => {
    const auths = { 'cr.io/team': basicAuth('team', 'pw') };
    home.write(home.podman, { auths });
    assert.equal(await userFor('cr.io/other'), undefined);
    home.write(home.docker, { auths });
    assert.equal(await userFor('cr.io/other'), 'team');
  });

  it('the one with the key that docker writes counts', async () => {
    home.write(home.docker, {
      auths: {
        'docker.io': basicAuth('a', 'x'),
        'https://index.docker.io/v1/': basicAuth('b', 'x'),
      },
    });
    assert.equal(await userFor('docker.io/library/x'), 'b');
  });

  it('the one in the first file counts, and a file without one is passed over', async () => {
    home.write(home.podman, {
      auths: { 'cr.io': basicAuth('podman', 'x'), 'b.io': basicAuth('b', 'x') },
    });
    home.write(home.docker, { auths: { 'cr.io': basicAuth('docker', 'x'), 'b.io': {} } });
    assert.equal(await userFor('cr.io'), 'docker');
    assert.equal(await userFor('b.io'), 'b');
  });
});

describe('an entry', () => {
  const find = (entry: unknown) => {
    home.write(home.docker, { auths: { 'cr.io': entry } });
    return credentialSource('cr.io', home.settings()).find('x', NEVER);
  };

  it('has user name and password, with colons in the password', async () => {
    const found = await find(basicAuth('me', 'a:b:ü'));
    assert.deepEqual(found, { kind: 'password', username: 'me', password: 'a:b:ü' });
  });

  it('may have them in fields of their own', async () => {
    const found = await find({ username: 'me', password: 'secret' });
    assert.deepEqual(found, { kind: 'password', username: 'me', password: 'secret' });
  });

  it('may have an identity token, which wins', async () => {
    const found = await find({ ...basicAuth('me', ''), identitytoken: 'idtoken' });
    assert.deepEqual(found, { kind: 'identity-token', username: 'me', token: 'idtoken' });
  });

  const broken: [name: string, entry: unknown, message: RegExp][] = [
    ['no base64', { auth: '%%top-secret%%' }, /entry "cr\.io" has an auth/],
    ['no colon', { auth: Buffer.from('top-secret').toString('base64') }, /USER:PASSWORD/],
    ['an auth that is a number', { auth: 5 }, /auth that is no string/],
    [
      'an identity token that is an object',
      { identitytoken: {} },
      /identitytoken that is no string/,
    ],
    ['no object', 'top-secret', /is no object/],
  ];
  for (const [name, entry, message] of broken) {
    it(`with ${name} is an error that names file and key, and only where it is needed`, async () => {
      const failed = find(entry);
      await assert.rejects(failed, engineError('CONFIG_INVALID', message));
      await assert.rejects(failed, ({ message: text }: Error) => {
        assert.ok(text.includes(home.docker.path));
        assert.doesNotMatch(text, /top-secret|dG9wLXNlY3Jld/);
        return true;
      });
      assert.equal(await userFor('other.io'), undefined);
    });
  }
});

describe('an auth file', () => {
  const broken: [name: string, content: string, message: RegExp][] = [
    ['is cut', '{"auths":{"cr.io":{"auth":"dG9wLXNlY3JldA', /not JSON/],
    ['is no object', '["top-secret"]', /no JSON object/],
    ['has auths that are a list', '{"auths":["top-secret"]}', /"auths" is no object/],
    ['has a helper that is a number', '{"credHelpers":{"cr.io":5}}', /no helper for "cr\.io"/],
    [
      'has a credsStore that is a list',
      '{"credsStore":["top-secret"]}',
      /"credsStore" is no string/,
    ],
  ];
  for (const [name, content, message] of broken) {
    it(`that ${name} is an error that names it and shows nothing of it`, async () => {
      home.write(home.docker, content);
      await assert.rejects(userFor('cr.io'), (error: Error) => {
        engineError('CONFIG_INVALID', message)(error);
        assert.ok(error.message.includes(home.docker.path));
        assert.doesNotMatch(`${error.stack}${String(error.cause)}`, /top-secret|dG9wLXNlY3Jld/);
        return true;
      });
    });
  }

  it('that is empty or missing holds nothing', async () => {
    assert.equal(await userFor('cr.io'), undefined);
    home.write(home.docker, ' \n');
    assert.equal(await userFor('cr.io'), undefined);
  });

  it('that somebody named must be there', async () => {
    const named: AuthFile = { ...home.podman, isNamed: true };
    const found = userFor('cr.io', home.settings({ authFiles: [named] }));
    await assert.rejects(found, engineError('CONFIG_INVALID', /there is no file with credentials/));
  });

  it('that is a directory or a pipe is an error, and is not waited for', async () => {
    mkdirSync(home.docker.path, { recursive: true });
    await assert.rejects(userFor('cr.io'), engineError('CONFIG_INVALID', /no regular file/));
    mkdirSync(dirname(home.podman.path), { recursive: true });
    execFileSync('mkfifo', [home.podman.path]);
    const settings = home.settings({ authFiles: [home.podman] });
    await assert.rejects(
      userFor('cr.io', settings),
      engineError('CONFIG_INVALID', /no regular file/),
    );
  });

  it('as podman itself writes it is understood', async () => {
    home.write(
      home.podman,
      '{\n\t"auths": {\n\t\t"quay.io/team": {\n\t\t\t"auth": "bWU6cHc="\n\t\t}\n\t}\n}',
    );
    assert.equal(await userFor('quay.io/team/x'), 'me');
  });
});
