import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { unsharePrivateMounts } from '../../../src/core/host/libc.ts';
import {
  isNetworkNamespace,
  mountNetworkNamespace,
  mountNewNetworkNamespace,
  unmountNetworkNamespace,
} from '../../../src/core/host/network-namespace.ts';
import { applyRules } from '../../../src/core/network/apply-rules.ts';
import {
  addToNetwork,
  checkNetwork,
  removeFromNetwork,
} from '../../../src/core/network/cni-client.ts';
import { parseCniNetwork } from '../../../src/core/network/cni-config.ts';
import { parseCniResult } from '../../../src/core/network/cni-result.ts';
import { forgetLeases, reclaimLeases } from '../../../src/core/network/leases.ts';
import { NEEDS_ROOT } from '../../support/e2e.ts';
import { enterLab, inNamespaceOf, type NetworkLab } from '../../support/network-lab.ts';

const REAL = ['/usr/lib/cni', '/opt/cni/bin'];

/** Answers ADD with what it read, says in a file what it was asked, and fails when told to. */
const FAKE = `#!/bin/sh
input=$(cat)
self=$(basename "$0")
printf '%s %s %s %s\\n' "$CNI_COMMAND" "$self" "$CNI_IFNAME" "$CNI_ARGS" >> "$(dirname "$0")/asked"
printf '%s\\n' "$input" > "$(dirname "$0")/$self.$CNI_COMMAND"
case $CNI_COMMAND,$self in
  VERSION,old) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}' ;;
  VERSION,*) echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}' ;;
  ADD,broken) echo '{"code":11,"msg":"the cable is cut","details":"by a digger"}'; exit 1 ;;
  ADD,silent) echo 'a line on stderr' >&2; exit 3 ;;
  DEL,*) ;;
  *) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/24"}],"by":"'$self'"}' ;;
esac
`;

describe('the CNI client', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'dray-cni-'));
    for (const name of ['first', 'second', 'old', 'broken', 'silent']) {
      writeFileSync(join(directory, name), FAKE, { mode: 0o755 });
    }
  });
  after(() => rmSync(directory, { recursive: true }));

  const attachment = (plugins: readonly object[], list: object = {}) => ({
    network: parseCniNetwork({ name: 'n', cniVersion: '1.0.0', plugins, ...list }, 'test'),
    containerId: 'abc',
    netns: '/proc/self/ns/net',
    ifname: 'eth7',
    args: { IgnoreUnknown: '1', K: 'v' },
    capabilities: { ips: ['10.0.0.2'], mac: '02:00:00:00:00:01' },
  });
  const asked = (): string[] => {
    const text = readFileSync(join(directory, 'asked'), 'utf8').trim().split('\n');
    rmSync(join(directory, 'asked'));
    return text;
  };
  const read = (file: string) => JSON.parse(readFileSync(join(directory, file), 'utf8'));
  const surroundings = () => ({ pluginDirs: ['/nowhere', directory] });

  it('gives each plugin the result of the one before, and takes away in the other order', async () => {
    const both = attachment([
      { type: 'first', capabilities: { ips: true }, own: 1 },
      { type: 'second' },
    ]);
    const result = await addToNetwork(both, surroundings());
    assert.equal(result.by, 'second');
    await removeFromNetwork(both, result, surroundings());
    assert.deepEqual(
      asked(),
      ['ADD first', 'ADD second', 'DEL second', 'DEL first'].map(
        (each) => `${each} eth7 IgnoreUnknown=1;K=v`,
      ),
    );
    assert.deepEqual(read('first.ADD'), {
      type: 'first',
      own: 1,
      name: 'n',
      cniVersion: '1.0.0',
      runtimeConfig: { ips: ['10.0.0.2'] },
    });
    assert.equal(read('second.ADD').prevResult.by, 'first');
    assert.equal(read('first.DEL').prevResult.by, 'second');
  });

  it('asks whether all is as it was', async () => {
    await checkNetwork(attachment([{ type: 'first' }]), { by: 'me' }, surroundings());
    assert.deepEqual(asked().length, 1);
    assert.equal(read('first.CHECK').prevResult.by, 'me');
    // Versions before 0.4.0 have no CHECK.
    const old = attachment([{ type: 'second' }], { cniVersion: '0.3.1' });
    await checkNetwork(old, {}, surroundings());
    assert.throws(asked, { code: 'ENOENT' });
  });

  it('shows the words of a plugin that failed, and undoes what the others did', async () => {
    const cut = attachment([{ type: 'first' }, { type: 'broken' }]);
    await assert.rejects(addToNetwork(cut, surroundings()), {
      code: 'NETWORK_FAILED',
      message: /"broken" failed: the cable is cut: by a digger/,
    });
    assert.deepEqual(
      asked().map((line) => line.split(' ').slice(0, 2).join(' ')),
      ['ADD first', 'ADD broken', 'DEL broken', 'DEL first'],
    );
  });

  it('shows standard error, where a plugin says nothing else', async () => {
    await assert.rejects(addToNetwork(attachment([{ type: 'silent' }]), surroundings()), {
      message: /"silent" failed: a line on stderr/,
    });
    asked();
  });

  it('speaks the newest version that list and plugins have in common', async () => {
    const list = { cniVersion: '0.4.0', cniVersions: ['0.4.0', '1.0.0', '1.1.0'] };
    await addToNetwork(attachment([{ type: 'first' }, { type: 'old' }], list), surroundings());
    assert.equal(read('first.ADD').cniVersion, '1.0.0');
    await addToNetwork(attachment([{ type: 'first' }], list), surroundings());
    assert.equal(read('first.ADD').cniVersion, '1.1.0');
    asked();
  });

  it('names the package when a plugin is missing', async () => {
    await assert.rejects(addToNetwork(attachment([{ type: 'none' }]), surroundings()), {
      code: 'HOST_UNSUPPORTED',
      hint: /apt-get install containernetworking-plugins/,
    });
  });
});

describe('the reference plugins', NEEDS_ROOT, () => {
  let lab: NetworkLab;
  let directory: string;
  before(() => {
    lab = enterLab();
    unsharePrivateMounts();
    directory = mkdtempSync(join(tmpdir(), 'dray-plugins-'));
  });
  after(() => {
    lab[Symbol.dispose]();
    unmountNetworkNamespace(join(directory, 'netns'));
    rmSync(directory, { recursive: true });
  });

  it('make an interface, portmap included, find it, and leave nothing but the bridge', async () => {
    const netns = join(directory, 'netns');
    mountNewNetworkNamespace(netns);
    assert.deepEqual(
      [netns, '/proc/self/ns/net', '/etc/passwd', '/nowhere'].map(isNetworkNamespace),
      [...[true, true], ...[false, false]],
    );
    assert.throws(() => mountNetworkNamespace('/proc/self/ns/mnt', join(directory, 'no')), {
      code: 'USAGE_INVALID',
    });
    const earlier = lab.traces();
    const network = parseCniNetwork(
      {
        name: 'real',
        cniVersion: '1.0.0',
        plugins: [
          {
            type: 'bridge',
            bridge: 'real0',
            isGateway: true,
            capabilities: { mac: true, ips: true },
            ipam: {
              type: 'host-local',
              dataDir: join(directory, 'leases'),
              ranges: [[{ subnet: '10.77.0.0/24' }]],
            },
          },
          { type: 'portmap', capabilities: { portMappings: true } },
        ],
      },
      'test',
    );
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
    const attachment = {
      network,
      containerId: 'abc',
      netns,
      ifname: 'eth0',
      capabilities: { portMappings, mac: '02:00:00:00:00:09', ips: ['10.77.0.5/24'] },
    };
    const result = await addToNetwork(attachment, { pluginDirs: REAL });
    const { addresses, mac } = parseCniResult(result);
    assert.deepEqual([addresses, mac], [['10.77.0.5/24'], '02:00:00:00:00:09']);
    // portmap 1.1.1 misses the IPv6 rules of a container that has no IPv6.
    const bridge = { ...network, plugins: network.plugins.slice(0, 1) };
    await checkNetwork({ ...attachment, network: bridge }, result, { pluginDirs: REAL });
    assert.ok(lab.traces().some((line) => line.includes('10.77.0.5:80')));
    await removeFromNetwork(attachment, result, { pluginDirs: REAL });
    const more = lab.traces().filter((line) => !earlier.includes(line) && !/CNI-|real0/.test(line));
    assert.deepEqual(more, []);
    unmountNetworkNamespace(netns);
  });

  it('lose the addresses of the dead', async () => {
    const leases = join(directory, 'dead');
    mkdirSync(join(leases, 'n'), { recursive: true });
    writeFileSync(join(leases, 'n', '10.0.0.2'), 'dead\r\neth0');
    writeFileSync(join(leases, 'n', '10.0.0.3'), 'alive\r\neth0');
    writeFileSync(join(leases, 'n', 'last_reserved_ip.0'), '10.0.0.3');
    await reclaimLeases(leases, 'n', (id) => id === 'alive');
    assert.throws(() => readFileSync(join(leases, 'n', '10.0.0.2')), { code: 'ENOENT' });
    assert.equal(readFileSync(join(leases, 'n', '10.0.0.3'), 'utf8'), 'alive\r\neth0');
    await reclaimLeases(leases, 'n', () => false);
    forgetLeases(leases, 'n');
    assert.throws(() => readFileSync(join(leases, 'n', 'lock')), { code: 'ENOENT' });
  });

  it('are not needed for rules, which nft takes where iptables is missing', async () => {
    const programs = join(directory, 'programs');
    mkdirSync(programs);
    symlinkSync('/usr/sbin/nft', join(programs, 'nft'));
    const rules = {
      networks: [
        { bridge: 'dray0', isInternal: false, subnet4: '10.83.0.0/22', subnet6: 'fd00::/64' },
        { bridge: 'dray1', isInternal: true, subnet4: '10.83.4.0/22' },
      ],
      forwardings: [
        ['tcp', '10.83.0.2', 4],
        ['udp', 'fd00::2', 6],
      ].map(([protocol, containerIp, version]) => ({
        protocol: protocol as 'tcp',
        hostPort: 8080,
        containerPort: 80,
        containerIp: String(containerIp),
        version: version as 4,
        bridge: 'dray0',
      })),
    };
    await applyRules(rules, { ipv6: false }, [programs]);
    const listed = inNamespaceOf(process.pid, ['nft', 'list', 'table', 'inet', 'dray']).stdout;
    assert.match(listed, /tcp dport 8080 dnat ip to 10\.83\.0\.2:80/);
    assert.match(listed, /udp dport 8080 dnat ip6 to \[fd00::2\]:80/);
    await applyRules({ networks: [], forwardings: [] }, { ipv6: true }, [programs]);
    assert.ok(!lab.traces().some((line) => line.includes('dray')));
    await assert.rejects(applyRules(rules, { ipv6: false }, ['/nowhere']), {
      code: 'HOST_UNSUPPORTED',
      hint: /apt-get install iptables/,
    });
  });
});
