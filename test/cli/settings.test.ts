import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { callerEnvironment, resolveSettings, terminalManners } from '../../src/cli/settings.ts';

const before = { ...process.env };

beforeEach(() => {
  for (const name of Object.keys(process.env)) delete process.env[name];
});
afterEach(() => {
  Object.assign(process.env, before);
});

describe('resolveSettings', () => {
  it('has defaults', () => {
    const { registries, registriesConf, supervisor, ...settings } = resolveSettings({}, '1.0.0');
    assert.equal(registries?.loginFile?.path, '/root/.docker/config.json');
    assert.equal(registriesConf?.user, undefined);
    assert.equal(supervisor?.at(0), process.argv[0]);
    assert.equal(supervisor?.at(-1)?.split('/').at(-1), 'supervisor-main.ts');
    assert.deepEqual(settings, {
      dataDir: '/var/lib/dray',
      runDir: '/run/dray',
      insecureRegistries: [],
      network: { configDir: '/etc/dray/net.d', pluginDirs: ['/opt/cni/bin', '/usr/lib/cni'] },
      trustPolicyFile: '/etc/dray/trust.json',
      containersPolicyFile: '/etc/containers/policy.json',
      version: '1.0.0',
    });
  });

  it('reads the registry configuration where podman does, or where a variable says', () => {
    process.env.HOME = '/home/me';
    const directory = '/etc/containers/registries.conf.d';
    const userDirectory = '/home/me/.config/containers/registries.conf.d';
    const { registriesConf } = resolveSettings({}, '1');
    assert.deepEqual(registriesConf, {
      system: { file: '/etc/containers/registries.conf', directory },
      user: { file: '/home/me/.config/containers/registries.conf', directory: userDirectory },
      shortNameCache: '/var/cache/containers/short-name-aliases.conf',
    });
    process.env.CONTAINERS_REGISTRIES_CONF = '/my.conf';
    const named = resolveSettings({}, '1').registriesConf;
    assert.deepEqual(named?.system, { file: '/my.conf', isNamed: true, directory });
    assert.deepEqual(named?.user, { directory: userDirectory });
  });

  it('lets a flag win over the environment, and adds registries up', () => {
    process.env.DRAY_ROOT = '/from/env';
    process.env.DRAY_INSECURE_REGISTRIES = 'a:5000, b';
    const settings = resolveSettings(
      { root: '/from/flag', 'insecure-registry': ['c'], 'rootfs-backend': 'directory' },
      '1.0.0',
    );
    assert.equal(settings.dataDir, '/from/flag');
    assert.deepEqual(settings.insecureRegistries, ['c', 'a:5000', 'b']);
    assert.equal(settings.rootfsBackend, 'directory');
  });

  it('makes paths absolute', () => {
    assert.equal(resolveSettings({ root: 'store' }, '1').dataDir, `${process.cwd()}/store`);
  });

  it('refuses an empty --root instead of taking the working directory', () => {
    assert.throws(() => resolveSettings({ root: '' }, '1'), { code: 'USAGE_INVALID' });
  });

  it('takes an empty variable for one that is not set', () => {
    process.env.DRAY_ROOT = '';
    assert.equal(resolveSettings({}, '1').dataDir, '/var/lib/dray');
  });
});

describe('callerEnvironment', () => {
  it('gives back what bin/run hid from Node, and hides what bin/run set', () => {
    Object.assign(process.env, {
      HOME: '/root',
      DRAY_CALLER_NODE_OPTIONS: '--inspect',
      NODE_COMPILE_CACHE: '/ours',
    });
    assert.deepEqual({ ...callerEnvironment() }, { HOME: '/root', NODE_OPTIONS: '--inspect' });
  });
});

describe('terminalManners', () => {
  const rows: readonly (readonly [Record<string, string>, boolean, boolean])[] = [
    [{ TERM: 'xterm' }, true, true],
    [{ TERM: 'xterm', NO_COLOR: '1' }, false, true],
    [{ TERM: 'xterm', NO_COLOR: '' }, true, true],
    [{ TERM: 'dumb' }, false, false],
  ];
  for (const [env, isColourWelcome, canMoveCursor] of rows) {
    it(`for ${JSON.stringify(env)}`, () => {
      Object.assign(process.env, env);
      assert.deepEqual(terminalManners(), { isColourWelcome, canMoveCursor });
    });
  }
});
