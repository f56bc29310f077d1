import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { EngineError } from '../../../src/core/errors.ts';
import { checkCredentials } from '../../../src/core/registry/check-credentials.ts';
import { proxyFor } from '../../../src/core/registry/proxy.ts';
import {
  NO_REGISTRY_SETTINGS,
  type ProxySettings,
} from '../../../src/core/registry/registry-settings.ts';
import type { TransportLimits } from '../../../src/core/registry/retry.ts';
import { TestAuthority } from '../../support/authority.ts';
import { engineError } from '../../support/engine-errors.ts';
import { ForwardProxy } from '../../support/forward-proxy.ts';
import { QUICK, trust } from '../../support/registry-clients.ts';
import { TestRegistry } from '../../support/test-registry.ts';

describe('a request goes', () => {
  const PROXY = 'http://proxy.test:3128';
  const ALL: ProxySettings = { http: PROXY, https: PROXY };
  const rows: [name: string, url: string, settings: ProxySettings, proxy: string | undefined][] = [
    ['directly without settings', 'https://cr.io/', {}, undefined],
    ['through HTTPS_PROXY', 'https://cr.io/', { https: PROXY }, 'proxy.test:3128'],
    ['not through HTTP_PROXY when it is https', 'https://cr.io/', { http: PROXY }, undefined],
    ['through HTTP_PROXY when it is http', 'http://cr.io/', { http: PROXY }, 'proxy.test:3128'],
    [
      'through ALL_PROXY when there is no other',
      'https://cr.io/',
      { all: PROXY },
      'proxy.test:3128',
    ],
    [
      'through its own before ALL_PROXY',
      'https://cr.io/',
      { all: 'http://a', https: 'http://b' },
      'b',
    ],
    [
      'through a proxy without a scheme',
      'https://cr.io/',
      { https: 'proxy.test:80' },
      'proxy.test',
    ],
    ['directly when the setting is empty', 'https://cr.io/', { https: '' }, undefined],
    ...['localhost:5000', '127.0.0.1:5000', '127.9.9.9', '[::1]:5000'].map(
      (host): [string, string, ProxySettings, undefined] => [
        `directly to ${host}`,
        `https://${host}/`,
        ALL,
        undefined,
      ],
    ),
  ];
  for (const [name, url, settings, proxy] of rows) {
    it(name, () => assert.equal(proxyFor(new URL(url), settings)?.host, proxy));
  }

  const exempt: [list: string, url: string, isDirect: boolean][] = [
    ['*', 'https://cr.io/', true],
    ['cr.io', 'https://cr.io/', true],
    ['CR.io', 'https://cr.io/', true],
    ['cr.io', 'https://a.cr.io/', true],
    ['cr.io', 'https://ghcr.io/', false],
    ['.cr.io', 'https://a.cr.io/', true],
    ['.cr.io', 'https://cr.io/', false],
    ['*.cr.io', 'https://a.cr.io/', true],
    ['*.cr.io', 'https://cr.io/', false],
    ['cr.io:443', 'https://cr.io/', true],
    ['cr.io:443', 'http://cr.io/', false],
    ['cr.io:5000', 'https://cr.io:5000/', true],
    ['cr.io:5000', 'https://cr.io:5001/', false],
    ['a.io, cr.io', 'https://cr.io/', true],
    ['a.io cr.io', 'https://cr.io/', true],
    [',,', 'https://cr.io/', false],
    ['10.1.2.3', 'https://10.1.2.3/', true],
    ['10.1.2.3', 'https://10.1.2.30/', false],
    ['10.1.2.3:5000', 'https://10.1.2.3:5000/', true],
    ['10.0.0.0/8', 'https://10.1.2.3:5000/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.0.0.0/8', 'https://cr.io/', false],
    ['10.0.0.0/33', 'https://10.1.2.3/', false],
    ['0.0.0.0/0', 'https://10.1.2.3/', true],
    ['fd00::/8', 'https://[fd00::1]/', true],
    ['[fd00::1]:5000', 'https://[fd00::1]:5000/', true],
    ['fd00::1', 'https://[fd00:0:0::1]/', true],
    ['fd00::/8', 'https://[fe80::1]/', false],
  ];
  for (const [list, url, isDirect] of exempt) {
    it(`${isDirect ? 'directly' : 'through the proxy'} to ${url} when NO_PROXY is "${list}"`, () => {
      const proxy = proxyFor(new URL(url), { ...ALL, none: list });
      assert.equal(proxy === undefined, isDirect);
    });
  }

  const unusable: [value: string, message: RegExp][] = [
    ['socks5://me:top-secret@proxy.test', /kind "socks5"/],
    ['http://me:top-secret@', /not a URL/],
    ['http://me:top-secret%zz@proxy.test', /not percent-encoded/],
  ];
  for (const [value, message] of unusable) {
    it(`nowhere through ${value.replace('top-secret', '…')}, and the error shows no password`, () => {
      assert.throws(
        () => proxyFor(new URL('https://cr.io/'), { https: value }),
        (error: Error) => {
          engineError('CONFIG_INVALID', message)(error);
          return !inspect(error).includes('top-secret');
        },
      );
    });
  }
});

interface ReachOptions {
  readonly limits?: Partial<TransportLimits>;
  readonly isInsecure?: boolean;
  readonly signal?: AbortSignal;
}

describe('through a proxy', () => {
  const USER = 'http://me:p%40ss%3Aword@';
  const AUTHORIZATION = `Basic ${Buffer.from('me:p@ss:word').toString('base64')}`;
  let authority: TestAuthority;
  let server: Server;
  const seen: unknown[] = [];
  before(async () => {
    authority = new TestAuthority();
    server = createServer(
      authority.issue(['DNS:registry.test', 'IP:127.0.0.1']),
      (request, response) => {
        seen.push(request.headers);
        response.end('{}');
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    authority[Symbol.dispose]();
  });
  const port = () => (server.address() as AddressInfo).port;

  /** Speaks with a registry through what the settings say. */
  async function reach(
    registry: string,
    proxies: ProxySettings,
    { limits = {}, isInsecure = false, signal }: ReachOptions = {},
  ): Promise<void> {
    const certificates = { hostDirs: [], bundles: [], caFile: authority.certFile };
    await checkCredentials(
      { registry, find: async () => undefined },
      {
        insecureRegistries: isInsecure ? [registry] : [],
        userAgent: 'dray-test',
        registries: { ...NO_REGISTRY_SETTINGS, certificates, proxies },
        limits: { ...QUICK, ...limits },
        signal,
      },
    );
  }

  it('https goes by CONNECT, with the proxy alone getting its credentials', async () => {
    await using proxy = await ForwardProxy.start({ port: port() });
    seen.length = 0;
    await reach('registry.test', { https: USER + proxy.host });
    assert.deepEqual(proxy.requests, [
      { method: 'CONNECT', target: 'registry.test:443', authorization: AUTHORIZATION },
    ]);
    assert.equal(seen.length, 1);
    assert.doesNotMatch(JSON.stringify(seen), /proxy/i);
  });

  it('http goes with the whole URL', async () => {
    await using registry = await TestRegistry.start();
    await using proxy = await ForwardProxy.start({ port: registry.port });
    await reach('registry.test:5000', { http: USER + proxy.host }, { isInsecure: true });
    const target = 'http://registry.test:5000/v2/';
    assert.deepEqual(proxy.requests, [{ method: 'GET', target, authorization: AUTHORIZATION }]);
  });

  it('that is spoken to by https itself, everything works too, if Node trusts it', async () => {
    const tls = authority.issue(['IP:127.0.0.1']);
    trust(authority.cert);
    await using proxy = await ForwardProxy.start({ port: port(), tls });
    await reach('registry.test', { https: `https://${proxy.host}` });
    assert.equal(proxy.requests.length, 1);
  });

  it('loopback hosts are not reached, and neither are those of NO_PROXY', async () => {
    await using proxy = await ForwardProxy.start({ port: port() });
    await using registry = await TestRegistry.start();
    await reach(registry.host, { http: `http://${proxy.host}` });
    await assert.rejects(
      reach('registry.test', { https: `http://${proxy.host}`, none: 'registry.test' }),
      engineError('REGISTRY_UNAVAILABLE', /cannot reach registry\.test: no such host|name server/),
    );
    assert.deepEqual(proxy.requests, []);
  });

  const failures: [name: string, options: object, message: RegExp, attempts: number][] = [
    [
      'asks for credentials',
      { connectStatus: 407 },
      /proxy 127\.0\.0\.1:\d+: it answers status 407/,
      1,
    ],
    ['forbids it', { connectStatus: 403 }, /it answers status 403/, 1],
    ['cannot reach it', { connectStatus: 502 }, /it answers status 502; given up/, 3],
    ['hangs', { hangs: true }, /registry\.test did not answer within 0\.2 s; given up/, 2],
  ];
  for (const [name, options, message, attempts] of failures) {
    it(`that ${name}, the error names the proxy and not its password`, async () => {
      await using proxy = await ForwardProxy.start({ port: port(), ...options });
      const limits = 'hangs' in options ? { headTimeoutMs: 200, attempts: 2 } : {};
      await assert.rejects(
        reach('registry.test', { https: USER + proxy.host }, { limits }),
        (error) => {
          engineError('REGISTRY_UNAVAILABLE', message)(error);
          assert.doesNotMatch(inspect(error, { depth: 9 }), /p%40ss|p@ss/);
          if (name === 'asks for credentials') {
            assert.ok(error instanceof EngineError);
            assert.match(error.hint ?? '', /HTTPS_PROXY=http:\/\/USER:PASSWORD@127\.0\.0\.1/);
          }
          return true;
        },
      );
      assert.equal(proxy.requests.length, attempts);
    });
  }

  it('that hangs, whoever cancels does not wait', async () => {
    await using proxy = await ForwardProxy.start({ port: port(), hangs: true });
    const controller = new AbortController();
    const reached = reach(
      'registry.test',
      { https: USER + proxy.host },
      { signal: controller.signal },
    );
    while (proxy.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await assert.rejects(reached, engineError('CANCELLED'));
  });

  it('that is not there, the error names it', async () => {
    await using proxy = await ForwardProxy.start({ port: port() });
    const { host } = proxy;
    await proxy[Symbol.asyncDispose]();
    await assert.rejects(
      reach('registry.test', { https: USER + host }),
      engineError('REGISTRY_UNAVAILABLE', new RegExp(`through the proxy ${host}: nothing accepts`)),
    );
  });
});
