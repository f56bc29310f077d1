import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { registrySettings } from '../../src/cli/registry-environment.ts';

const settingsOf = (env: Record<string, string>, flags: object = {}) =>
  registrySettings(flags, { env, uid: 7, workingDir: '/here' });

describe('auth files are', () => {
  const rows: [name: string, env: Record<string, string>, flags: object, paths: string[]][] = [
    [
      "docker's and podman's",
      { HOME: '/home/me' },
      {},
      [
        '/home/me/.docker/config.json',
        '/run/containers/7/auth.json',
        '/home/me/.config/containers/auth.json',
      ],
    ],
    [
      'where the variables say',
      { HOME: '/home/me', DOCKER_CONFIG: 'd', XDG_RUNTIME_DIR: '/run/me', XDG_CONFIG_HOME: '/c' },
      {},
      ['/here/d/config.json', '/run/me/containers/auth.json', '/c/containers/auth.json'],
    ],
    ['the one of REGISTRY_AUTH_FILE alone', { REGISTRY_AUTH_FILE: 'a.json' }, {}, ['/here/a.json']],
    [
      'the one of --authfile before it',
      { REGISTRY_AUTH_FILE: '/env' },
      { authfile: '/flag' },
      ['/flag'],
    ],
  ];
  for (const [name, env, flags, paths] of rows) {
    it(name, () => {
      const { authFiles, loginFile } = settingsOf(env, flags);
      assert.deepEqual(
        authFiles.map(({ path }) => path),
        paths,
      );
      assert.equal(loginFile, authFiles[0]);
      assert.equal(loginFile?.isNamed, paths.length === 1);
      assert.equal(loginFile?.format, paths.length === 1 ? 'podman' : 'docker');
    });
  }
});

describe('proxies', () => {
  it('are taken in upper case before lower case, and empty is none', () => {
    const { proxies } = settingsOf({
      HTTPS_PROXY: 'http://upper',
      https_proxy: 'http://lower',
      http_proxy: 'http://plain',
      ALL_PROXY: '',
      no_proxy: 'a,b',
    });
    assert.deepEqual(proxies, {
      https: 'http://upper',
      http: 'http://plain',
      all: undefined,
      none: 'a,b',
    });
  });
});

describe('certificates', () => {
  it('are looked for where podman and docker have them', () => {
    assert.deepEqual(settingsOf({}).certificates, {
      hostDirs: ['/etc/containers/certs.d', '/etc/docker/certs.d'],
      bundles: ['/etc/ssl/certs/ca-certificates.crt'],
    });
  });

  it('are looked for where flags and variables say', () => {
    const env = { SSL_CERT_FILE: 'ca.pem', SSL_CERT_DIR: '/a:b', DRAY_CERTS_DIRS: '/x:/y' };
    const { certificates } = settingsOf({ ...env, DRAY_CA_BUNDLE: '/z' }, { 'cert-dir': 'c' });
    assert.deepEqual(certificates, {
      hostDirs: ['/x', '/y'],
      bundles: ['/z'],
      certDir: '/here/c',
      caFile: '/here/ca.pem',
      caDirs: ['/a', '/here/b'],
    });
  });
});

describe('helpers', () => {
  it("have the caller's environment", () => {
    assert.deepEqual(settingsOf({ PATH: '/bin', AWS_PROFILE: 'x' }).helperEnvironment(), {
      PATH: '/bin',
      AWS_PROFILE: 'x',
    });
  });
});
