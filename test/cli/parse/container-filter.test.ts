import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseContainerFilters } from '../../../src/cli/parse/container-filter.ts';
import type { ContainerInfo } from '../../../src/core/operations/list-containers.ts';
import { engineError } from '../../support/engine-errors.ts';

const BUSYBOX = 'docker.io/library/busybox:latest';

function container(name: string, over: Partial<ContainerInfo> = {}): ContainerInfo {
  return {
    id: Buffer.from(name.padEnd(32, '_')).toString('hex'),
    name,
    image: BUSYBOX,
    imageId: 'sha256:1',
    command: [],
    createdAt: new Date(0),
    phase: 'exited',
    exitStatus: 0,
    startedAt: undefined,
    finishedAt: undefined,
    health: undefined,
    labels: {},
    networks: ['none'],
    ports: [],
    ...over,
  };
}

/** All there are, oldest first. */
const ALL: readonly ContainerInfo[] = [
  container('first', { labels: { a: '1', b: '' } }),
  container('second', {
    phase: 'running',
    health: 'healthy',
    labels: { a: '2' },
    exitStatus: undefined,
  }),
  container('third', { phase: 'preparing', networks: ['default', 'blue'], exitStatus: undefined }),
  container('fourth', {
    exitStatus: 137,
    imageId: 'sha256:2',
    image: 'docker.io/library/other:1',
    mounts: [
      {
        type: 'volume',
        name: 'data',
        source: '/v/data',
        destination: '/data',
        readOnly: false,
        propagation: '',
        options: [],
      },
    ],
  }),
];

const SECOND_ID = ALL[1]?.id ?? '';

describe('filters of containers', () => {
  const rows: readonly (readonly [filters: string[], names: string[]])[] = [
    [[], ['first', 'second', 'third', 'fourth']],
    [['name=f'], ['first', 'fourth']],
    [['name=^/?f.*h$'], ['fourth']],
    [
      ['name=first', 'name=third'],
      ['first', 'third'],
    ],
    [[`id=${SECOND_ID.slice(0, 12)}`], ['second']],
    [['label=a'], ['first', 'second']],
    [['label=a=2'], ['second']],
    [['label=a', 'label=b'], ['first']],
    [['label=constructor'], []],
    [['status=running'], ['second']],
    [['status=created'], ['third']],
    [
      ['status=running', 'status=created'],
      ['second', 'third'],
    ],
    [['exited=0'], ['first']],
    [['exited=137'], ['fourth']],
    [['ancestor=busybox'], ['first', 'second', 'third']],
    [['ancestor=other:1', 'name=first'], []],
    [['before=third'], ['first', 'second']],
    [['since=first'], ['second', 'third', 'fourth']],
    [
      ['since=first', `before=${ALL[3]?.id}`],
      ['second', 'third'],
    ],
    [['volume=data'], ['fourth']],
    [['volume=/data'], ['fourth']],
    [['network=blue'], ['third']],
    [['health=healthy'], ['second']],
    [['health=none'], ['first', 'third', 'fourth']],
  ];
  for (const [texts, names] of rows) {
    it(`${texts.join(' and ') || 'none'} keep ${names.join(', ') || 'nothing'}`, () => {
      const kept = parseContainerFilters(texts).apply(ALL, new Set());
      assert.deepEqual(
        kept.map(({ name }) => name),
        names,
      );
    });
  }

  it('keep what was made from images that were looked up', () => {
    const kept = parseContainerFilters(['ancestor=base']).apply(ALL, new Set(['sha256:2']));
    assert.deepEqual(
      kept.map(({ name }) => name),
      ['fourth'],
    );
  });

  it('mean stopped containers, too, when they ask for a state', () => {
    assert.equal(parseContainerFilters(['status=exited']).wantsAll, true);
    assert.equal(parseContainerFilters(['name=x']).wantsAll, false);
  });

  for (const text of ['x=1', 'name', '=x', 'status=up', 'health=ill', 'exited=a', 'name=(']) {
    it(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseContainerFilters([text]), engineError('USAGE_INVALID'));
    });
  }

  it('that name no container are errors', () => {
    const filters = parseContainerFilters(['before=nobody']);
    assert.throws(() => filters.apply(ALL, new Set()), engineError('CONTAINER_NOT_FOUND'));
  });
});
