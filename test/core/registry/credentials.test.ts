/** How credentials are used, and that they are used nowhere else. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { EngineError } from '../../../src/core/errors.ts';
import { checkCredentials } from '../../../src/core/registry/check-credentials.ts';
import type { Credentials } from '../../../src/core/registry/credentials.ts';
import { AuthHome, basicAuth } from '../../support/auth-files.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage } from '../../support/image-builder.ts';
import { collect, quickClient } from '../../support/registry-clients.ts';
import { type FaultHook, TestRegistry } from '../../support/test-registry.ts';
import { TokenService } from '../../support/token-service.ts';

const IMAGE = buildImage({ layers: [Buffer.from('one'), Buffer.from('two')] });
const PASSWORD = 'correct:horse%/battery';
const ME = basicAuth('me', PASSWORD);

let home: AuthHome;
let registry: TestRegistry;
beforeEach(async () => {
  home = new AuthHome();
  registry = await TestRegistry.start();
  registry.addImage('a/b', 'latest', IMAGE);
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

/** Fetches the manifest with what the auth file says. */
async function fetchManifest(repository = 'a/b', insecureRegistries: string[] = []) {
  const options = { registries: home.settings(), insecureRegistries };
  await using client = quickClient(registry.host, {}, options).client;
  return await client.fetchManifest(repository, 'latest');
}

function knowMe(entry: object = ME): void {
  home.write(home.docker, { auths: { [registry.host]: entry } });
}

/** Every header of every request, as one text. */
function headersOf({ requests }: TestRegistry): string {
  return JSON.stringify(requests.map(({ headers, path }) => [path, headers]));
}

/** A registry that takes this user and password in each request. */
const basicGuard: FaultHook = ({ headers }) =>
  headers.authorization === `Basic ${ME.auth}`
    ? undefined
    : { status: 401, headers: { 'www-authenticate': 'Basic realm="test"' } };

describe('a Basic challenge', () => {
  it('is answered with user name and password, once for all requests', async () => {
    registry.fault = basicGuard;
    knowMe();
    const options = { registries: home.settings() };
    await using client = quickClient(registry.host, {}, options).client;
    await client.fetchManifest('a/b', 'latest');
    for (const { descriptor, bytes } of IMAGE.layers) {
      assert.deepEqual(await collect(client.fetchBlob('a/b', descriptor)), bytes);
    }
    const statuses = registry.requests.map(({ status }) => status);
    assert.deepEqual(statuses, [401, 200, 200, 200]);
  });

  it('that rejects them is asked no third time', async () => {
    registry.fault = basicGuard;
    knowMe(basicAuth('me', 'wrong-password'));
    await assert.rejects(fetchManifest(), (error) => {
      engineError('REGISTRY_UNAUTHORIZED', /credentials rejected by 127\.0\.0\.1/)(error);
      return hint(error) === `dray login ${registry.host}`;
    });
    assert.equal(registry.requests.length, 2);
  });

  it('without credentials says how to log in', async () => {
    registry.fault = basicGuard;
    await assert.rejects(fetchManifest(), (error) => {
      engineError(
        'REGISTRY_UNAUTHORIZED',
        /asks for credentials \("basic"\), and none are known/,
      )(error);
      return hint(error) === `dray login ${registry.host}`;
    });
    assert.equal(registry.requests.length, 1);
  });

  it('is not answered with an identity token', async () => {
    registry.fault = basicGuard;
    knowMe({ ...basicAuth('me', ''), identitytoken: 'identity-token' });
    await assert.rejects(
      fetchManifest(),
      engineError('REGISTRY_UNAUTHORIZED', /only an identity token/),
    );
    assert.doesNotMatch(headersOf(registry), /identity-token/);
  });
});

/** The command of an error's hint. */
function hint(error: unknown): string | undefined {
  return error instanceof EngineError ? /"(dray .*)"/.exec(error.hint ?? '')?.[1] : undefined;
}

describe('a Bearer challenge', () => {
  it('is answered with a token that our password gave', async () => {
    await using service = await TokenService.start({ users: { me: PASSWORD }, isPrivate: true });
    registry.fault = service.guard();
    knowMe();
    await fetchManifest();
    const [asked] = service.requests;
    assert.equal(asked?.method, 'GET');
    assert.equal(asked?.authorization, `Basic ${ME.auth}`);
    assert.deepEqual(
      [...(asked?.url.searchParams ?? [])],
      [
        ['service', 'test'],
        ['scope', 'repository:a/b:pull'],
        ['account', 'me'],
      ],
    );
    assert.ok(!headersOf(registry).includes(ME.auth), 'the registry itself got the password');
  });

  it('is preferred to a Basic one', async () => {
    await using service = await TokenService.start({ users: { me: PASSWORD } });
    const guard = service.guard();
    registry.fault = (request, count) => {
      const fault = guard(request, count);
      if (fault === undefined) return undefined;
      const bearer = String(fault.headers?.['www-authenticate']);
      return { ...fault, headers: { 'www-authenticate': ['Basic realm="test"', bearer] } };
    };
    knowMe();
    await fetchManifest();
    assert.equal(service.requests.length, 1);
    assert.ok(!headersOf(registry).includes(ME.auth));
  });

  it('is answered anonymously where no credentials are known', async () => {
    await using service = await TokenService.start();
    registry.fault = service.guard();
    home.write(home.docker, { auths: { 'other.io': ME } });
    await fetchManifest();
    assert.equal(service.requests[0]?.authorization, undefined);
  });

  it('that nobody can answer anonymously says how to log in', async () => {
    await using service = await TokenService.start({ isPrivate: true });
    registry.fault = service.guard();
    await assert.rejects(fetchManifest(), (error) => {
      engineError('REGISTRY_UNAUTHORIZED', /^cannot get a token for .* status 401/)(error);
      return hint(error) === `dray login ${registry.host}`;
    });
  });

  it('is answered with an identity token by POST, which never stands in a URL', async () => {
    await using service = await TokenService.start({
      refreshTokens: ['identity+token'],
      isPrivate: true,
    });
    registry.fault = service.guard();
    knowMe({ ...basicAuth('me', ''), identitytoken: 'identity+token' });
    await fetchManifest();
    const [asked] = service.requests;
    assert.deepEqual(
      [asked?.method, asked?.url.search, asked?.authorization],
      ['POST', '', undefined],
    );
    assert.deepEqual(
      [...(asked?.form ?? [])],
      [
        ['grant_type', 'refresh_token'],
        ['client_id', 'dray'],
        ['service', 'test'],
        ['scope', 'repository:a/b:pull'],
        ['refresh_token', 'identity+token'],
      ],
    );
  });

  for (const postStatus of [404, 405] as const) {
    it(`is answered by GET where a POST gets ${postStatus}`, async () => {
      await using service = await TokenService.start({ refreshTokens: ['id-token'], postStatus });
      registry.fault = service.guard();
      knowMe({ ...basicAuth('me', ''), identitytoken: 'id-token' });
      await fetchManifest();
      assert.deepEqual(
        service.requests.map(({ method }) => method),
        ['POST', 'GET'],
      );
      assert.equal(service.requests[1]?.authorization, `Basic ${basicAuth('me', 'id-token').auth}`);
    });
  }

  it('that rejects our credentials is asked once, and the error tells none of them', async () => {
    await using service = await TokenService.start({ users: { me: 'other' } });
    registry.fault = service.guard();
    knowMe();
    await assert.rejects(fetchManifest(), (error) => {
      engineError(
        'REGISTRY_UNAUTHORIZED',
        /the credentials for 127\.0\.0\.1:\d+ were rejected/,
      )(error);
      // The service sends the header back.
      assert.doesNotMatch(inspect(error), new RegExp(`${ME.auth}|horse`));
      return hint(error) === `dray login ${registry.host}`;
    });
    assert.equal(service.requests.length, 1);
    assert.equal(registry.requests.length, 1);
  });

  it('in the middle of a fetch, when a token has ended, is answered anew', async () => {
    await using service = await TokenService.start({ users: { me: PASSWORD }, isPrivate: true });
    registry.fault = service.guard();
    knowMe();
    const options = { registries: home.settings() };
    await using client = quickClient(registry.host, {}, options).client;
    await client.fetchManifest('a/b', 'latest');
    for (const { descriptor, bytes } of IMAGE.layers) {
      service.expireTokens();
      assert.deepEqual(await collect(client.fetchBlob('a/b', descriptor)), bytes);
    }
    assert.equal(service.requests.length, 3);
  });

  it('for more than was asked for is answered with what we want and what it wants', async () => {
    await using service = await TokenService.start({ users: { me: PASSWORD } });
    registry.fault = service.guard('metadata_read');
    knowMe();
    await fetchManifest();
    assert.equal(
      service.requests[0]?.url.searchParams.get('scope'),
      'repository:a/b:pull,metadata_read',
    );
  });

  it('gets the credentials of the repository that is asked for', async () => {
    await using service = await TokenService.start({ users: { team: 'pw-team', host: 'pw-host' } });
    registry.fault = service.guard();
    registry.addImage('other', 'latest', IMAGE);
    home.write(home.podman, {
      auths: {
        [`${registry.host}/a`]: basicAuth('team', 'pw-team'),
        [registry.host]: basicAuth('host', 'pw-host'),
      },
    });
    await fetchManifest('a/b');
    await fetchManifest('other');
    const accounts = service.requests.map(({ url }) => url.searchParams.get('account'));
    assert.deepEqual(accounts, ['team', 'host']);
  });
});

describe('an auth file that is broken', () => {
  it('is no matter for a registry that asks for nothing', async () => {
    home.write(home.docker, '{');
    await fetchManifest();
    registry.fault = basicGuard;
    await assert.rejects(fetchManifest(), engineError('CONFIG_INVALID', /not JSON/));
  });
});

describe('credentials and tokens for one origin never reach another', () => {
  let other: TestRegistry;
  beforeEach(async () => {
    other = await TestRegistry.start();
    other.addImage('a/b', 'latest', IMAGE);
    knowMe();
  });
  afterEach(() => other[Symbol.asyncDispose]());

  const SECRETS = new RegExp(`${ME.auth}|horse|token-\\d|authorization`, 'i');

  function assertUntold(): void {
    assert.doesNotMatch(headersOf(other), SECRETS);
  }

  for (const status of [301, 302, 303, 307, 308]) {
    for (const how of ['Basic', 'Bearer'] as const) {
      it(`by a ${status} after ${how}`, async () => {
        await using service = await TokenService.start({
          users: { me: PASSWORD },
          isPrivate: true,
        });
        const guard = how === 'Basic' ? basicGuard : service.guard();
        registry.fault = (request, count) =>
          guard(request, count) ?? {
            status,
            headers: { location: `${other.origin}${request.path}`, 'set-cookie': 'session=1' },
          };
        await fetchManifest();
        assert.equal(other.requests.length, 1);
        assert.doesNotMatch(headersOf(other), /cookie/i);
        assertUntold();
      });
    }
  }

  it('by a redirect back, which gets them again', async () => {
    other.fault = ({ path }) => ({ redirect: `${registry.origin}${path}?back` });
    registry.fault = (request, count) =>
      basicGuard(request, count) ??
      (request.path.endsWith('?back') ? undefined : { redirect: `${other.origin}${request.path}` });
    await fetchManifest();
    assert.equal(registry.requests.at(-1)?.headers.authorization, `Basic ${ME.auth}`);
    assertUntold();
  });

  it('by a redirect to an origin that asks for them', async () => {
    other.fault = basicGuard;
    registry.fault = (request, count) =>
      basicGuard(request, count) ?? { redirect: `${other.origin}${request.path}` };
    await assert.rejects(fetchManifest(), engineError('REGISTRY_UNAUTHORIZED', /status 401/));
    assert.equal(other.requests.length, 1);
    assertUntold();
  });

  it('by a redirect of the token service', async () => {
    registry.fault = ({ path }) =>
      path.startsWith('/v2/')
        ? {
            status: 401,
            headers: { 'www-authenticate': `Bearer realm="${registry.origin}/token"` },
          }
        : { redirect: `${other.origin}/token` };
    await assert.rejects(fetchManifest(), engineError('REGISTRY_RESPONSE_INVALID', /status 307/));
    assert.equal(other.requests.length, 0);
  });

  const realms: [name: string, realm: (port: number) => string][] = [
    ['on another name of this machine', (port) => `http://localhost:${port}/token`],
    ['on another loopback address', (port) => `http://127.0.0.2:${port}/token`],
    ['with user information', (port) => `http://me:pw@127.0.0.1:${port}/token`],
    ['with a fragment', (port) => `http://127.0.0.1:${port}/token#x`],
    ['at the metadata service', () => 'http://169.254.169.254/token'],
    ['that is a file', () => 'file:///etc/passwd'],
  ];
  for (const [name, realm] of realms) {
    it(`by a realm ${name}`, async () => {
      const value = realm(other.port);
      registry.fault = () => ({
        status: 401,
        headers: { 'www-authenticate': `Bearer realm="${value}",service="s"` },
      });
      // A helper that would be seen: the realm is judged before credentials are looked up.
      home.write(home.docker, '{');
      await assert.rejects(
        fetchManifest(),
        engineError('REGISTRY_RESPONSE_INVALID', /which is refused/),
      );
      assert.equal(other.requests.length, 0);
    });
  }

  it('but the realm is spoken to where the user listed its host as insecure', async () => {
    registry.fault = ({ path, headers }) =>
      path.startsWith('/v2/') && headers.authorization === undefined
        ? {
            status: 401,
            headers: { 'www-authenticate': `Bearer realm="http://localhost:${other.port}/token"` },
          }
        : undefined;
    await fetchManifest('a/b', [`localhost:${other.port}`]);
    assert.equal(other.requests[0]?.headers.authorization, `Basic ${ME.auth}`);
  });
});

describe('what a server sends back of our secrets', () => {
  type Sent = (secret: string, path: string) => ReturnType<FaultHook>;
  const places: [name: string, fault: Sent][] = [
    ['in the body of an error', (secret) => ({ status: 403, body: `you sent ${secret}` })],
    [
      'in an error of the specification',
      (secret) => ({
        status: 404,
        body: JSON.stringify({
          errors: [{ code: 'X', message: `${secret} ${encodeURIComponent(secret)}` }],
        }),
      }),
    ],
    ['in a location', (secret) => ({ redirect: `ftp://127.0.0.1/${secret}` })],
    [
      'in a location that is then gone',
      (secret, path) =>
        path.startsWith('/v2/') ? { redirect: `/gone/${secret}` } : { status: 404 },
    ],
    ['in a digest', (secret) => ({ headers: { 'docker-content-digest': secret } })],
    ['in a warning', (secret) => ({ status: 404, headers: { warning: `299 - "${secret}"` } })],
  ];
  for (const [name, fault] of places) {
    for (const secret of [PASSWORD, ME.auth]) {
      it(`${name} is not shown: ${secret === PASSWORD ? 'the password' : 'the header'}`, async () => {
        registry.fault = (request, count) =>
          basicGuard(request, count) ?? fault(secret, request.path);
        knowMe();
        const options = { registries: home.settings() };
        const { client, events } = quickClient(registry.host, {}, options);
        await using _client = client;
        await assert.rejects(client.fetchManifest('a/b', 'latest'), (error) => {
          assert.ok(error instanceof EngineError);
          assert.doesNotMatch(inspect([error, events]), new RegExp(`${ME.auth}|horse`));
          return true;
        });
      });
    }
  }
});

describe('checking credentials', () => {
  const given: Credentials = { kind: 'password', username: 'me', password: PASSWORD };
  function check(credentials = given) {
    const source = { registry: registry.host, find: async () => credentials };
    return checkCredentials(source, { insecureRegistries: [], userAgent: 'dray-test' });
  }

  it('asks for /v2/ and nothing else', async () => {
    registry.fault = basicGuard;
    assert.deepEqual(await check(), { identityToken: undefined });
    assert.deepEqual(
      registry.requests.map(({ path, status }) => [path, status]),
      [
        ['/v2/', 401],
        ['/v2/', 200],
      ],
    );
  });

  it('asks a token service for an identity token too, and for no scope', async () => {
    await using service = await TokenService.start({ users: { me: PASSWORD } });
    registry.fault = service.guard();
    assert.deepEqual(await check(), { identityToken: 'refresh-of-me' });
    assert.deepEqual(
      [...(service.requests[0]?.url.searchParams ?? [])],
      [
        ['service', 'test'],
        ['offline_token', 'true'],
        ['client_id', 'dray'],
        ['account', 'me'],
      ],
    );
  });

  it('fails for wrong ones', async () => {
    registry.fault = basicGuard;
    await assert.rejects(
      check({ ...given, password: 'wrong-one' }),
      engineError('REGISTRY_UNAUTHORIZED', /credentials rejected/),
    );
  });

  it('accepts any at a registry that asks for none', async () => {
    assert.deepEqual(await check(), { identityToken: undefined });
  });
});
