import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerFormatRow } from '../../src/cli/container-fields.ts';
import { portWords, statusWords } from '../../src/cli/container-words.ts';
import { binarySize, commandWords, decimalSize, spanWords } from '../../src/cli/docker-words.ts';
import type { ContainerInfo } from '../../src/core/operations/list-containers.ts';

const NOW = new Date('2026-11-24T12:00:00Z');

function ago(seconds: number): Date {
  return new Date(NOW.getTime() - seconds * 1000);
}

const CONTAINER: ContainerInfo = {
  id: 'a'.repeat(64),
  name: 'web',
  image: 'docker.io/library/busybox:latest',
  imageId: `sha256:${'b'.repeat(64)}`,
  command: ['sh', '-c', 'sleep 1000000'],
  createdAt: ago(120),
  phase: 'running',
  exitStatus: undefined,
  startedAt: ago(5),
  finishedAt: undefined,
  health: undefined,
  labels: { 'a.b': 'c', x: '1' },
  networks: ['default'],
  ports: [],
};

describe('the status of a container', () => {
  const rows: readonly (readonly [Partial<ContainerInfo>, string])[] = [
    [{}, 'Up 5 seconds'],
    [{ startedAt: ago(130) }, 'Up 2 minutes'],
    [{ health: 'healthy' }, 'Up 5 seconds (healthy)'],
    [{ health: 'unhealthy' }, 'Up 5 seconds (unhealthy)'],
    [{ health: 'starting' }, 'Up 5 seconds (health: starting)'],
    [{ phase: 'paused', health: 'healthy' }, 'Up 5 seconds (Paused)'],
    [{ phase: 'created', startedAt: undefined }, 'Created'],
    [{ phase: 'preparing', startedAt: undefined }, 'Created'],
    [{ phase: 'exited', exitStatus: 0, finishedAt: ago(180) }, 'Exited (0) 3 minutes ago'],
    [{ phase: 'exited' }, 'Exited (unknown)'],
    [{ phase: 'exited', exitStatus: 1, finishedAt: new Date('junk') }, 'Exited (1)'],
    [{ phase: 'restarting', exitStatus: 3, finishedAt: ago(2) }, 'Restarting (3) 2 seconds ago'],
    [{ phase: 'removing' }, 'Removal In Progress'],
    // The clock was set back.
    [{ startedAt: ago(-100) }, 'Up Less than a second'],
  ];
  for (const [over, words] of rows) {
    it(words, () => assert.equal(statusWords({ ...CONTAINER, ...over }, NOW), words));
  }
});

describe('words of docker', () => {
  it('for spans', () => {
    const rows: readonly (readonly [number, string])[] = [
      [0, 'Less than a second'],
      [1, '1 second'],
      [59, '59 seconds'],
      [60, 'About a minute'],
      [3599, '59 minutes'],
      [3600, 'About an hour'],
      [86_400, '24 hours'],
      [2 * 86_400, '2 days'],
      [14 * 86_400, '2 weeks'],
      [60 * 86_400, '2 months'],
      [730 * 86_400, '2 years'],
    ];
    for (const [seconds, words] of rows) assert.equal(spanWords(ago(seconds), NOW), words);
  });

  it('for sizes', () => {
    assert.deepEqual([0, 999, 1000, 4_245_000].map(decimalSize), ['0B', '999B', '1kB', '4.25MB']);
    assert.deepEqual([0, 1023, 2_436_608].map(binarySize), ['0B', '1023B', '2.324MiB']);
  });

  it('for commands', () => {
    assert.equal(commandWords(['sleep', '600'], false), '"sleep 600"');
    assert.equal(commandWords(['sh', '-c', 'sleep 1000000'], false), `"sh -c 'sleep 100000…"`);
    assert.equal(commandWords(['sh', '-c', 'sleep 1000000'], true), `"sh -c 'sleep 1000000'"`);
    assert.equal(commandWords(['a"\n\u001b'], true), '"a\\"\\n\\x1b"');
  });

  it('for ports', () => {
    const ports = [
      { protocol: 'tcp', hostPort: 8080, containerPort: 80 },
      { protocol: 'udp', hostIp: '::1', hostPort: 53, containerPort: 53 },
    ];
    assert.equal(portWords({ ports }), '0.0.0.0:8080->80/tcp, [::1]:53->53/udp');
  });
});

describe('the fields of a container', () => {
  it("are docker's", () => {
    const style = { isFull: false, now: NOW };
    const { Label, ...row } = containerFormatRow(CONTAINER, style);
    assert.deepEqual(row, {
      Command: `"sh -c 'sleep 100000…"`,
      CreatedAt: '2026-11-24 11:58:00 +0000 UTC',
      ID: 'aaaaaaaaaaaa',
      Image: 'docker.io/library/busybox:latest',
      Labels: 'a.b=c,x=1',
      LocalVolumes: '0',
      Mounts: '',
      Names: 'web',
      Networks: 'default',
      Ports: '',
      RunningFor: '2 minutes ago',
      Size: '',
      State: 'running',
      Status: 'Up 5 seconds',
    });
    assert.ok(typeof Label === 'function');
    assert.deepEqual([Label('a.b'), Label('none'), Label('constructor')], ['c', '', '']);
  });

  it('hold no control characters', () => {
    const evil = 'x\u001b]0;\n\u202e';
    const container = {
      ...CONTAINER,
      name: evil,
      image: evil,
      command: [evil, evil],
      labels: { [evil]: evil },
      networks: [evil],
      mounts: [{ type: 'bind' as const, source: evil, destination: '/', readOnly: false }].map(
        (mount) => ({ ...mount, propagation: '', options: [] }),
      ),
    };
    const { Label, ...row } = containerFormatRow(container, { isFull: true, now: NOW });
    assert.doesNotMatch(Object.values(row).join(''), /[\u0000-\u001f\u202e]/);
    assert.ok(typeof Label === 'function');
    assert.doesNotMatch(String(Label(evil)), /[\u0000-\u001f\u202e]/);
  });
});
