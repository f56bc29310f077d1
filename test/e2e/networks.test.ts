import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { busyboxImage } from '../support/busybox-image.ts';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { writeLayout } from '../support/layout-writer.ts';
import {
  enterLab,
  FAR_IP,
  HOST_IP,
  HOST_IP6,
  inNamespaceOf,
  type NetworkLab,
  startInNamespaceOf,
} from '../support/network-lab.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

const IMAGE = 'localhost/net';
const WEB = 'mkdir /w; echo hello > /w/index.html; httpd -p 80 -h /w; exec sleep 600';
const CONCURRENT = 5;
const KILLS = 4;
/** A page of the other machine. */
const OUTSIDE = `http://${FAR_IP}/hostname`;

/** Fetches a page with nothing but a socket, so that it works from any namespace. */
const fetchFrom = (url: string, seconds = 15) => [
  'timeout',
  String(seconds),
  ...['busybox', 'wget', '-q', '-O', '-', url],
];
/** For pages that are out of reach: then packets are dropped, and nobody answers. */
const tryFrom = (url: string) => fetchFrom(url, 1);

const UDP_SERVER = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 7)); print("ready", flush=True)
while True:
  data, peer = s.recvfrom(100); s.sendto(data.upper(), peer)`;
const udpAsk = (host: string, port: number) => [
  'python3',
  '-c',
  `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(15); s.connect(("${host}", ${port})); s.send(b"ping"); print(s.recv(100).decode())`,
];
const PING_SOCKET = [
  'python3',
  '-c',
  'import os, socket; os.setgid(1000); os.setuid(1000); socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP); socket.socket().bind(("0.0.0.0", 81))',
];

describe('networks of containers', NEEDS_ROOT, () => {
  let lab: NetworkLab;
  let home: CliHome;
  let earlier: string[];
  const env = { DRAY_NETWORK: '', DRAY_NETWORK_CONFIG: '' };

  const dray = (...argv: string[]): Promise<CliResult> => home.run(argv, { env });
  const succeed = (...argv: string[]): Promise<string> => home.succeed(argv, { env });
  const run = (...argv: string[]): Promise<string> =>
    succeed('run', '--rm', '--pull', 'never', ...argv);

  before(async () => {
    lab = enterLab();
    home = new CliHome('/dev/shm');
    env.DRAY_NETWORK_CONFIG = join(home.directory, 'net.d');
    mkdirSync(env.DRAY_NETWORK_CONFIG);
    const layout = writeLayout(join(home.directory, 'net'), [
      { image: busyboxImage({ config: { ExposedPorts: { '80/tcp': {} } } }), refName: 'latest' },
    ]);
    await succeed('fetch', '--quiet', `oci:${layout}:latest`);
    earlier = lab.traces();
    await succeed('network', 'create', 'app');
    await succeed(
      ...['run', '-d', '--name', 'web', '--network', 'app', '--network-alias', 'www'],
      ...['-p', '8080:80', '-p', '127.0.0.1:9090:80', '-p', '7:7/udp', '-P', IMAGE],
      ...['sh', '-c', WEB],
    );
  });

  after(async () => {
    try {
      await succeed('rm', '--force', 'web');
      await succeed('network', 'rm', 'app');
      assert.deepEqual(await tracesAfterwards(), []);
      assert.deepEqual(leases(), []);
    } finally {
      await home[Symbol.asyncDispose]();
      lab[Symbol.dispose]();
    }
  });

  /** The other end of a pair of interfaces goes some time after its namespace. */
  async function tracesAfterwards(known = earlier): Promise<string[]> {
    const deadline = performance.now() + 5000;
    for (;;) {
      const left = lab.traces().filter((line) => !known.includes(line));
      if (left.length === 0 || performance.now() > deadline) return left;
      await delay(150);
    }
  }

  function leases(): string[] {
    return readdirSync(join(home.runDir, 'networks'), { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.includes('leases') || path.includes('rules.json'),
    );
  }

  async function pidOf(name: string): Promise<number> {
    const status = JSON.parse(await succeed('status', '--json', name));
    return Number(status.pid);
  }

  it('find each other by name, over TCP and UDP, and the outside by its address', async () => {
    const pid = await pidOf('web');
    const server = startInNamespaceOf(pid, ['python3', '-c', UDP_SERVER]);
    try {
      await new Promise((resolve) => server.stdout?.once('data', resolve));
      const script =
        'for name in web www; do wget -q -O - http://$name/; done; cat /etc/hosts; sleep 60';
      await succeed('run', '-d', '--name', 'peer', '--network', 'app', IMAGE, 'sh', '-c', script);
      const peer = await pidOf('peer');
      const [, address = ''] = /([\d.]+)\tweb /.exec(await waitForLog('peer', 'web ')) ?? [];
      assert.match(await succeed('logs', 'peer'), /^hello\nhello\n/);
      assert.equal(inNamespaceOf(peer, udpAsk(address, 7)).stdout, 'PING\n');
      // The other side knows the newcomer, in a file that was mounted before there was one.
      assert.match(await succeed('exec', 'web', 'cat', '/etc/hosts'), /\tpeer [0-9a-f]{12}\n/);
      assert.equal(inNamespaceOf(peer, fetchFrom(OUTSIDE)).status, 0);
      assert.equal(lab.far(udpAsk(HOST_IP, 7)).stdout, 'PING\n');
    } finally {
      server.kill('SIGKILL');
      await succeed('rm', '--force', 'peer');
    }
    assert.doesNotMatch(await succeed('exec', 'web', 'cat', '/etc/hosts'), /\tpeer/);
  });

  async function waitForLog(name: string, text: string): Promise<string> {
    for (;;) {
      const log = await succeed('logs', name);
      if (log.includes(text) && log.includes('# end')) return log;
      await delay(50);
    }
  }

  it('are reached by published ports: from the host, from another machine, and over IPv6', async () => {
    const here = (url: string) => inNamespaceOf(process.pid, fetchFrom(url));
    for (const url of [
      'http://127.0.0.1:8080/',
      'http://127.0.0.1:9090/',
      `http://${HOST_IP}:8080/`,
      `http://[${HOST_IP6}]:8080/`,
    ]) {
      assert.equal(here(url).stdout, 'hello\n', url);
    }
    assert.equal(lab.far(fetchFrom(`http://${HOST_IP}:8080/`)).stdout, 'hello\n');
    assert.equal(lab.far(fetchFrom(`http://[${HOST_IP6}]:8080/`)).stdout, 'hello\n');
    assert.notEqual(lab.far(tryFrom(`http://${HOST_IP}:9090/`)).status, 0);
    const ports = await succeed('port', 'web');
    assert.match(ports, /^80\/tcp -> 0\.0\.0\.0:8080\n80\/tcp -> 127\.0\.0\.1:9090\n7\/udp -> /);
    assert.equal(await succeed('port', 'web', '7/udp'), '0.0.0.0:7\n');
  });

  it('share a network with --network container:, and only then its loopback', async () => {
    const ask = ['wget', '-q', '-O', '-', 'http://127.0.0.1/'];
    assert.equal(await run('--network', 'container:web', IMAGE, ...ask), 'hello\n');
    assert.notEqual((await dray('run', '--rm', IMAGE, ...ask)).status, 0);
    const path = `ns:/proc/${await pidOf('web')}/ns/net`;
    assert.equal(await run('--network', path, IMAGE, ...ask), 'hello\n');
  });

  it('are kept apart: networks from each other, and an internal one from everything', async () => {
    const pid = await pidOf('web');
    const [, address = ''] =
      /inet ([\d.]+)/.exec(
        inNamespaceOf(pid, ['ip', '-4', 'address', 'show', 'dev', 'eth0']).stdout,
      ) ?? [];
    await succeed('network', 'create', '--internal', 'inside');
    for (const network of ['default', 'inside']) {
      await succeed('run', '-d', '--name', 'other', '--network', network, IMAGE, 'sleep', '60');
      const other = await pidOf('other');
      assert.notEqual(inNamespaceOf(other, tryFrom(`http://${address}/`)).status, 0, network);
      const isInside = network === 'inside';
      const out = inNamespaceOf(other, isInside ? tryFrom(OUTSIDE) : fetchFrom(OUTSIDE)).status;
      assert.equal(out !== 0, isInside, network);
      await succeed('network', 'connect', 'app', 'other');
      assert.equal(inNamespaceOf(other, fetchFrom(`http://${address}/`)).stdout, 'hello\n');
      await succeed('network', 'disconnect', 'app', 'other');
      assert.notEqual(inNamespaceOf(other, tryFrom(`http://${address}/`)).status, 0, network);
      await succeed('rm', '--force', 'other');
    }
    await succeed('network', 'rm', 'inside');
  });

  it('say who has a port', async () => {
    const taken = await dray('run', '--rm', '-p', '8080:80', IMAGE, 'true');
    assert.equal(taken.status, 125);
    assert.match(taken.stderr, /port 8080\/tcp is published by the container "web"/);
    await using server = createServer().listen(8081, '0.0.0.0');
    await new Promise((resolve) => server.once('listening', resolve));
    const inUse = await dray('run', '--rm', '-p', '8081:80', IMAGE, 'true');
    assert.match(inUse.stderr, /port 8081\/tcp is in use on the host/);
  });

  it('have what their flags say', async () => {
    const script =
      'cat /etc/hosts /etc/resolv.conf /etc/hostname; ip -o link show dev eth0; ip -o -4 address show dev eth0; cat /proc/sys/net/ipv4/ping_group_range';
    const shown = await run(
      ...['--network', 'app', '--ip', subnetAddress(), '--mac-address', '02:00:00:00:00:77'],
      ...['--dns', '9.9.9.9', '--dns-search', 'example.org', '--hostname', 'box'],
      ...['--add-host', 'one:1.2.3.4', '--add-host', 'host.docker.internal:host-gateway'],
      ...[IMAGE, 'sh', '-c', script],
    );
    for (const expected of [
      /^127\.0\.0\.1\tlocalhost\n/,
      /\n1\.2\.3\.4\tone\n/,
      /\n10\.83\.\d+\.1\thost\.docker\.internal\n/,
      /\n10\.83\.\d+\.200\tbox\n/,
      /\nnameserver 9\.9\.9\.9\nsearch example\.org\nbox\n/,
      /link\/ether 02:00:00:00:00:77 /,
      /inet 10\.83\.\d+\.200\/22 /,
      /\n0\t2147483647\n$/,
    ]) {
      assert.match(shown, expected);
    }
    assert.equal(inNamespaceOf(await pidOf('web'), PING_SOCKET).status, 0);
  });

  /** An address of the network "app" that nobody is given by chance. */
  function subnetAddress(): string {
    const record = lab.traces().flatMap((line) => /-s (10\.83\.\d+)\.0\/22/.exec(line)?.[1] ?? []);
    return `${record[0]}.200`;
  }

  it('can be told by a file of the host, whose own words are shown when it fails', async () => {
    const file = join(env.DRAY_NETWORK_CONFIG, '10-mine.conflist');
    const network = (type: string) => ({
      name: 'mine',
      cniVersion: '0.4.0',
      plugins: [
        {
          type: 'ptp',
          ipMasq: true,
          ipam: { type, dataDir: join(home.directory, 'mine'), subnet: '10.99.0.0/24' },
        },
      ],
    });
    writeFileSync(file, JSON.stringify(network('host-local')));
    const shown = await run(
      '--network',
      'mine',
      IMAGE,
      'ip',
      '-o',
      '-4',
      'address',
      'show',
      'dev',
      'eth0',
    );
    assert.match(shown, /inet 10\.99\.0\.2\/24 /);
    const left = lab.traces().filter((line) => line.includes('10.99.0.'));
    assert.deepEqual(left, []);
    assert.deepEqual(
      readdirSync(join(home.directory, 'mine', 'mine')).filter((name) => name.startsWith('10.')),
      [],
    );
    writeFileSync(file, JSON.stringify(network('missing')));
    const failed = await dray('run', '--rm', '--network', 'mine', IMAGE, 'true');
    assert.equal(failed.status, 125);
    assert.match(failed.stderr, /network plugin "ptp" failed: .*failed to find plugin "missing"/);
  });

  it('need plugins, and say which package has them; none and host do without', async () => {
    const options = { env: { ...env, DRAY_NETWORK: 'odd' } };
    const odd = { name: 'odd', cniVersion: '1.0.0', plugins: [{ type: 'not-there' }] };
    writeFileSync(join(env.DRAY_NETWORK_CONFIG, 'odd.conflist'), JSON.stringify(odd));
    const failed = await home.run(['run', '--rm', IMAGE, 'true'], options);
    assert.match(
      failed.stderr,
      /"not-there" is not installed in .*\n.*containernetworking-plugins/,
    );
    for (const network of ['none', 'host']) {
      await home.succeed(['run', '--rm', '--network', network, IMAGE, 'true'], options);
    }
  });

  it('leave nothing, one after the other, side by side, and killed at any moment', async () => {
    const known = await settledTraces();
    const started = performance.now();
    for (let count = 0; count < CONCURRENT; count += 1) await run(IMAGE, 'true');
    const oneMs = (performance.now() - started) / CONCURRENT;
    const addresses = await Promise.all(
      Array.from({ length: CONCURRENT }, () =>
        run(IMAGE, 'sh', '-c', 'ip -o -4 address show dev eth0; sleep 0.5'),
      ),
    );
    const distinct = new Set(addresses.map((text) => /inet (\S+)/.exec(text)?.[1]));
    assert.ok(distinct.size > 1 && !distinct.has(undefined));
    assert.deepEqual(await tracesAfterwards(known), []);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const killed = home.start(['run', '--rm', '-p', '8082:80', IMAGE, 'sleep', '60'], { env });
      await delay((((kill + 1) * 0.618) % 1) * oneMs);
      killed.kill('SIGKILL');
      await killed.exited;
      await succeed('list');
      assert.deepEqual(await tracesAfterwards(known), [], `kill ${kill}`);
      await run('-p', '8082:80', IMAGE, 'true');
    }
  });

  /** What is there while only the container of all tests runs. */
  async function settledTraces(): Promise<string[]> {
    const usual = lab.traces();
    await delay(200);
    return lab.traces().filter((line) => usual.includes(line));
  }
});
