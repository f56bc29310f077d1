import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  formatAddress,
  formatSubnet,
  overlaps,
  parseAddress,
  parseSubnet,
  type Subnet,
} from '../../../src/core/network/addresses.ts';
import { chooseSubnet4, uniqueLocalSubnet } from '../../../src/core/network/choose-subnet.ts';
import {
  findCniNetwork,
  listCniNetworks,
  parseCniNetwork,
} from '../../../src/core/network/cni-config.ts';
import { parseCniResult } from '../../../src/core/network/cni-result.ts';
import { parseRoutes4, parseRoutes6 } from '../../../src/core/network/host-routes.ts';
import { withHostsBlock } from '../../../src/core/network/hosts-file.ts';
import { iptablesTexts, nftText } from '../../../src/core/network/rules.ts';
import { withNameServers, withoutLoopback } from '../../../src/core/runtime/etc-files.ts';

function subnet(text: string): Subnet {
  const parsed = parseSubnet(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
}

describe('addresses', () => {
  const canonical: readonly [typed: string, written: string][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['FD00::0001', 'fd00::1'],
    ['fe80::1:0:0:1', 'fe80::1:0:0:1'],
    ['1:0:3:0:0:6:0:0', '1:0:3::6:0:0'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
  ];
  for (const [typed, written] of canonical) {
    it(`writes ${typed} as ${written}`, () => {
      const address = parseAddress(typed);
      assert.equal(address && formatAddress(address), written);
    });
  }

  for (const text of ['', '10.0.0', '256.0.0.1', 'fe80::1%eth0', '10.0.0.1/8', 'host']) {
    it(`takes ${JSON.stringify(text)} for no address`, () =>
      assert.equal(parseAddress(text), undefined));
  }

  for (const text of ['10.0.0.1/24', '10.0.0.0/33', '10.0.0.0', 'fd00::1/64', '/8']) {
    it(`takes ${JSON.stringify(text)} for no subnet`, () =>
      assert.equal(parseSubnet(text), undefined));
  }

  it('sees which subnets overlap', () => {
    assert.equal(overlaps(subnet('10.83.0.0/16'), subnet('10.83.4.0/22')), true);
    assert.equal(overlaps(subnet('10.83.4.0/22'), subnet('10.83.8.0/22')), false);
    assert.equal(overlaps(subnet('0.0.0.0/0'), subnet('fd00::/64')), false);
  });
});

describe('choosing a subnet', () => {
  it('takes the first that the host does not reach; default routes do not count', () => {
    const taken = ['0.0.0.0/0', '10.83.0.0/23', '10.83.4.0/30', '10.83.8.7/32'].map(subnet);
    const chosen = chooseSubnet4(taken);
    assert.equal(chosen && formatSubnet(chosen), '10.83.12.0/22');
  });

  it('finds none when all are taken', () => {
    assert.equal(chooseSubnet4([subnet('10.80.0.0/12')]), undefined);
  });

  it('makes unique local subnets', () => {
    const chosen = uniqueLocalSubnet(Buffer.from('0102030405aabb', 'hex'));
    assert.equal(formatSubnet(chosen), 'fd01:203:405:aabb::/64');
  });
});

describe('routes of the host', () => {
  it('reads /proc/net/route', () => {
    const text =
      'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n' +
      'eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n' +
      'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\njunk\n';
    assert.deepEqual(
      parseRoutes4(text).map(({ device, subnet: each }) => [device, formatSubnet(each)]),
      [
        ['eth0', '0.0.0.0/0'],
        ['docker0', '172.17.0.0/16'],
      ],
    );
  });

  it('reads /proc/net/ipv6_route without the routes that refuse', () => {
    const zeros = '0'.repeat(32);
    const line = (to: string, prefix: string, flags: string, device: string) =>
      `${to} ${prefix} ${zeros} 00 ${zeros} 00000400 00000001 00000000 ${flags} ${device}\n`;
    const text =
      line(`20010db8${'0'.repeat(24)}`, '40', '00000001', 'eth0') +
      line(zeros, '00', '00200200', 'lo');
    assert.deepEqual(
      parseRoutes6(text).map(({ device, subnet: each }) => [device, formatSubnet(each)]),
      [['eth0', '2001:db8::/64']],
    );
  });
});

describe('network configurations', () => {
  const plugin = { type: 'bridge' };
  const sound = { name: 'n', cniVersion: '1.0.0', plugins: [plugin] };

  it('reads a list', () => {
    assert.deepEqual(parseCniNetwork(sound, 'f').plugins, [plugin]);
  });

  it('reads a single plugin of before 1.0', () => {
    const network = parseCniNetwork({ name: 'n', cniVersion: '0.3.1', type: 'ptp' }, 'f');
    assert.deepEqual(
      network.plugins.map(({ type }) => type),
      ['ptp'],
    );
  });

  it('takes a list without a version for one of 0.1.0', () => {
    assert.equal(parseCniNetwork({ name: 'n', plugins: [plugin] }, 'f').cniVersion, '0.1.0');
  });

  const refused: readonly [why: string, value: unknown][] = [
    ['no object', []],
    ['no name', { ...sound, name: undefined }],
    ['a name with a slash', { ...sound, name: '../n' }],
    ['a version from the future', { ...sound, cniVersion: '9.0.0' }],
    ['no plugins', { ...sound, plugins: [] }],
    ['a plugin with a path', { ...sound, plugins: [{ type: '../../bin/sh' }] }],
    ['a plugin without a type', { ...sound, plugins: [{}] }],
  ];
  for (const [why, value] of refused) {
    it(`refuses ${why}`, () => {
      assert.throws(() => parseCniNetwork(value, 'f'), { code: 'CONFIG_INVALID' });
    });
  }

  it('finds by name, in the order of files, and passes damaged ones over', () => {
    const directory = mkdtempSync(join(tmpdir(), 'dray-netd-'));
    try {
      const write = (name: string, value: unknown) =>
        writeFileSync(join(directory, name), JSON.stringify(value));
      writeFileSync(join(directory, '00-junk.conflist'), '{');
      write('20-second.conflist', { ...sound, plugins: [{ type: 'second' }] });
      write('10-first.conflist', { ...sound, plugins: [{ type: 'first' }] });
      write('30-other.conf', { name: 'other', type: 'ptp' });
      write('40-broken.conflist', { name: 'broken', plugins: [] });
      assert.equal(findCniNetwork(directory, 'n')?.plugins[0]?.type, 'first');
      assert.equal(findCniNetwork(directory, 'missing'), undefined);
      assert.throws(() => findCniNetwork(directory, 'broken'), { code: 'CONFIG_INVALID' });
      assert.deepEqual(
        listCniNetworks(directory).map(({ name }) => name),
        ['n', 'other'],
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('results of plugins', () => {
  it('reads addresses of the container, not of the host', () => {
    const { addresses, gateways, mac } = parseCniResult({
      interfaces: [
        { name: 'br', mac: '02:00:00:00:00:01' },
        { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/ns' },
      ],
      ips: [
        { address: '10.0.0.2/24', gateway: '10.0.0.1', interface: 1 },
        { address: '10.0.0.1/24', interface: 0 },
        { address: 'junk', interface: 1 },
      ],
    });
    assert.deepEqual(
      [addresses, gateways, mac],
      [['10.0.0.2/24'], ['10.0.0.1'], '02:00:00:00:00:02'],
    );
  });

  it('reads those of before 0.3.0', () => {
    const result = {
      ip4: { ip: '10.0.0.2/24', gateway: '10.0.0.1' },
      dns: { nameservers: ['1.1.1.1'] },
    };
    const { addresses, dns } = parseCniResult(result);
    assert.deepEqual([addresses, dns.nameservers], [['10.0.0.2/24'], ['1.1.1.1']]);
  });
});

describe('rules', () => {
  const network = {
    bridge: 'dray0',
    isInternal: false,
    subnet4: '10.83.0.0/22',
    subnet6: 'fd00::/64',
  };
  const forwarding = {
    protocol: 'tcp',
    hostIp: '127.0.0.1',
    hostPort: 8080,
    containerPort: 80,
    containerIp: '10.83.0.2',
    version: 4,
    bridge: 'dray0',
  } as const;

  it('say where a published port leads', () => {
    const rules = { networks: [network], forwardings: [forwarding] };
    const line =
      '-A DRAY-PUBLISH -p tcp -d 127.0.0.1 -m tcp --dport 8080 -j DNAT --to-destination 10.83.0.2:80';
    assert.ok(iptablesTexts(rules, 4).first.includes(line));
    assert.ok(!iptablesTexts(rules, 6).first.includes('DNAT --to'));
    assert.ok(nftText(rules).includes('ip daddr 127.0.0.1 tcp dport 8080 dnat ip to 10.83.0.2:80'));
  });

  it('let nothing out of an internal network', () => {
    const rules = { networks: [{ ...network, isInternal: true }], forwardings: [] };
    assert.ok(iptablesTexts(rules, 4).first.includes('-A DRAY-FORWARD -i dray0 -j DROP'));
    assert.ok(!iptablesTexts(rules, 4).first.includes('MASQUERADE'));
    assert.ok(!nftText(rules).includes('masquerade'));
  });

  it('only take themselves away when no network is left', () => {
    const none = { networks: [], forwardings: [] };
    assert.equal(iptablesTexts(none, 4).first, '');
    assert.ok(iptablesTexts(none, 4).again.includes('-X DRAY-FORWARD'));
    assert.equal(nftText(none), 'table inet dray\ndelete table inet dray\n');
  });
});

describe('the block in /etc/hosts', () => {
  const line = { address: '10.0.0.2', names: ['web', 'www'] };

  it('is added at the end, replaced, and taken away', () => {
    const added = withHostsBlock('127.0.0.1 localhost', [line]);
    assert.match(added, /^127\.0\.0\.1 localhost\n# begin .*\n10\.0\.0\.2\tweb www\n# end .*\n$/);
    const replaced = withHostsBlock(`${added}1.2.3.4 mine\n`, [{ ...line, address: '10.0.0.9' }]);
    assert.ok(replaced.includes('10.0.0.9\tweb www') && !replaced.includes('10.0.0.2'));
    assert.ok(replaced.endsWith('1.2.3.4 mine\n'));
    assert.equal(withHostsBlock(replaced, []), '127.0.0.1 localhost\n1.2.3.4 mine\n');
  });
});

describe('resolv.conf of a container', () => {
  const rows: readonly [name: string, host: string, systemd: string, expected: string][] = [
    [
      'keeps servers that can be reached',
      'nameserver 9.9.9.9\nsearch a b\n',
      '',
      'nameserver 9.9.9.9\nsearch a b\n',
    ],
    [
      'leaves out those on the loopback',
      'nameserver 127.0.0.1\nnameserver 9.9.9.9\n',
      '',
      'nameserver 9.9.9.9\n',
    ],
    [
      'looks behind systemd-resolved',
      'nameserver 127.0.0.53\n',
      'nameserver 9.9.9.9\n',
      'nameserver 9.9.9.9\n',
    ],
    [
      'falls back to public servers',
      'nameserver ::1\noptions ndots:2\n',
      '',
      'nameserver 8.8.8.8\nnameserver 8.8.4.4\noptions ndots:2\n',
    ],
    ['falls back when the host names none', '', '', 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n'],
  ];
  for (const [name, host, systemd, expected] of rows) {
    it(name, () =>
      assert.equal(
        withoutLoopback(host, () => systemd),
        expected,
      ),
    );
  }

  it('takes what flags name, and keeps the rest', () => {
    const host = 'nameserver 9.9.9.9\nsearch a\noptions ndots:2\n';
    assert.equal(
      withNameServers(host, { servers: ['1.1.1.1'], search: ['.'] }),
      'nameserver 1.1.1.1\noptions ndots:2\n',
    );
  });
});
