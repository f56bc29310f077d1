import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Container, ContainerStore } from '../../../src/core/container/container-store.ts';
import { engineError } from '../../support/engine-errors.ts';
import { pretendStarted, SPECIMEN, TempDataDir } from './container-fixture.ts';

const FINISHED = new Date('2026-02-03T04:05:06.789Z');

describe('create', () => {
  it('makes a private directory with a record that says all', () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'web' });
    assert.equal(statSync(container.directory).mode & 0o7777, 0o700);
    const listing = ContainerStore.find(temp.path, container.id);
    const { version, id, createdAt, ...rest } = listing.record ?? assert.fail();
    assert.deepEqual(rest, { ...SPECIMEN, name: 'web' });
    assert.deepEqual([version, id], [1, container.id]);
    assert.ok(Math.abs(Date.now() - Date.parse(createdAt)) < 60_000);
    assert.deepEqual(temp.names(), [container.id, 'names/web'].sort());
  });

  it('refuses a name that another container has, and leaves nothing behind', () => {
    using temp = new TempDataDir();
    using first = temp.make({ name: 'web' });
    const before = temp.names();
    const taken = engineError('CONTAINER_NAME_IN_USE', new RegExp(first.id.slice(0, 12)));
    assert.throws(() => temp.make({ name: 'web' }), taken);
    assert.deepEqual(temp.names(), before);
    using _other = temp.make({ name: 'web2' });
  });

  it('refuses a hostile name before it touches the disk', () => {
    using temp = new TempDataDir();
    assert.throws(() => temp.make({ name: '../../x' }), engineError('USAGE_INVALID'));
    assert.deepEqual(readdirSync(temp.path), []);
  });

  it('keeps the name of a container that has ended, until it is removed', () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'web' });
    container.recordExit({ status: 0, finishedAt: FINISHED });
    container[Symbol.dispose]();
    assert.throws(() => temp.make({ name: 'web' }), engineError('CONTAINER_NAME_IN_USE'));
    using claimed = ContainerStore.claim(temp.path, container.id) ?? assert.fail();
    claimed.remove();
    using _second = temp.make({ name: 'web' });
  });

  const stale: readonly (readonly [what: string, (dataDir: string, link: string) => void])[] = [
    [
      'leads to a container that is gone',
      (_dir, link) => symlinkSync(`../${'0'.repeat(64)}`, link),
    ],
    ['leads somewhere else', (_dir, link) => symlinkSync('/etc', link)],
    ['is a file', (_dir, link) => writeFileSync(link, 'x')],
    [
      'leads to a container whose maker was killed',
      (dir, link) => {
        mkdirSync(join(dir, 'containers', `${'1'.repeat(64)}.new`));
        symlinkSync(`../${'1'.repeat(64)}`, link);
      },
    ],
  ];
  for (const [what, leave] of stale) {
    it(`takes a name over whose link ${what}`, () => {
      using temp = new TempDataDir();
      temp.make({ name: 'other' })[Symbol.dispose]();
      leave(temp.path, join(temp.path, 'containers', 'names', 'web'));
      using container = temp.make({ name: 'web' });
      assert.equal(ContainerStore.find(temp.path, 'web').id, container.id);
    });
  }
});

describe('find', () => {
  it('takes a name, an id, or the beginning of one id', () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'web' });
    for (const input of ['web', container.id, container.id.slice(0, 12)]) {
      assert.equal(ContainerStore.find(temp.path, input).id, container.id, input);
    }
  });

  it('takes a name before the beginning of an id', () => {
    using temp = new TempDataDir();
    using first = temp.make();
    using second = temp.make({ name: first.id.slice(0, 6) });
    assert.equal(ContainerStore.find(temp.path, first.id.slice(0, 6)).id, second.id);
  });

  it('names the candidates of a beginning that several ids have', () => {
    using temp = new TempDataDir();
    const containers = Array.from({ length: 17 }, () => temp.make());
    const firsts = containers.map(({ id }) => id.charAt(0));
    const shared = firsts.find((digit, at) => firsts.indexOf(digit) !== at) ?? assert.fail();
    const isListed = engineError('CONTAINER_NOT_FOUND', /is the beginning of \d+ container ids: /);
    assert.throws(() => ContainerStore.find(temp.path, shared), isListed);
    for (const container of containers) container[Symbol.dispose]();
  });

  for (const input of ['', 'nothing', '..', '../../etc', 'f'.repeat(64), 'names', '\u001b[2J']) {
    it(`does not find ${JSON.stringify(input)}`, () => {
      using temp = new TempDataDir();
      using _container = temp.make({ name: 'web' });
      const find = (): unknown => ContainerStore.find(temp.path, input);
      assert.throws(find, engineError('CONTAINER_NOT_FOUND'));
    });
  }
});

describe('list', () => {
  it('is empty before there was a container', () => {
    using temp = new TempDataDir();
    assert.deepEqual(ContainerStore.list(temp.path), []);
    assert.deepEqual(ContainerStore.sweepDead(temp.path), []);
    assert.deepEqual(readdirSync(temp.path), []);
  });

  it('follows a container through its phases', () => {
    using temp = new TempDataDir();
    using container = temp.make();
    const phase = (): string | undefined => ContainerStore.list(temp.path)[0]?.phase;
    assert.equal(phase(), 'preparing');
    pretendStarted(container);
    assert.equal(phase(), 'running');
    container.recordExit({ status: 137, signal: 'SIGKILL', finishedAt: FINISHED });
    assert.equal(phase(), 'exited');
    container[Symbol.dispose]();
    assert.equal(phase(), 'exited');
    const [listing] = ContainerStore.list(temp.path);
    assert.deepEqual(listing?.exit, { status: 137, signal: 'SIGKILL', finishedAt: FINISHED });
  });

  it('is in the order in which they were made', () => {
    using temp = new TempDataDir();
    const ids = [temp.make(), temp.make(), temp.make()].map((container) => container.id);
    const times = ContainerStore.list(temp.path).map(({ record }) => record?.createdAt ?? '');
    assert.deepEqual(times, [...times].sort());
    assert.deepEqual(new Set(ContainerStore.list(temp.path).map(({ id }) => id)), new Set(ids));
  });

  const damages = ['', '{', 'null', '[]', '{"version":2}', '{"version":1}', 'x'.repeat(100_000)];
  for (const damage of damages) {
    it(`shows a container whose record is ${JSON.stringify(damage).slice(0, 20)}, and the others`, () => {
      using temp = new TempDataDir();
      using damaged = temp.make();
      using _whole = temp.make();
      writeFileSync(join(damaged.directory, 'record.json'), damage);
      writeFileSync(join(damaged.directory, 'exit.json'), damage);
      const listings = ContainerStore.list(temp.path);
      assert.deepEqual(
        listings.map(({ record }) => record !== undefined),
        [false, true],
      );
      assert.equal(listings[0]?.exit, undefined);
    });
  }

  it('does not take for containers what is none', () => {
    using temp = new TempDataDir();
    using container = temp.make();
    for (const name of ['junk', `${'a'.repeat(64)}.old`, 'A'.repeat(64), `${'b'.repeat(64)}.new`]) {
      mkdirSync(join(temp.path, 'containers', name));
    }
    assert.deepEqual(
      ContainerStore.list(temp.path).map(({ id }) => id),
      [container.id],
    );
  });
});

describe('remove', () => {
  it('takes everything, whatever names and modes are in it', () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'web' });
    const upper = join(container.directory, 'upper');
    mkdirSync(join(upper, 'locked'), { recursive: true, mode: 0o000 });
    writeFileSync(Buffer.from(`${upper}/n\x80\xff`, 'latin1'), '');
    symlinkSync('/', join(upper, 'root'));
    container.remove();
    container.remove();
    assert.deepEqual(temp.names(), []);
    assert.ok(existsSync('/etc'));
  });

  it('leaves a name that was given to another container alone', () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'web' });
    const link = join(temp.path, 'containers', 'names', 'web');
    unlinkSync(link);
    symlinkSync(`../${'0'.repeat(64)}`, link);
    container.remove();
    assert.deepEqual(temp.names(), ['names/web']);
  });
});

describe('claim', () => {
  it('takes a container only when its supervisor is gone', () => {
    using temp = new TempDataDir();
    using container = temp.make();
    assert.equal(ContainerStore.claim(temp.path, container.id), undefined);
    container[Symbol.dispose]();
    using claimed = ContainerStore.claim(temp.path, container.id);
    assert.equal(claimed?.id, container.id);
    assert.equal(ContainerStore.claim(temp.path, container.id), undefined);
  });

  it('finds nothing where there is no container, and makes nothing', () => {
    using temp = new TempDataDir();
    using container = temp.make();
    container.remove();
    assert.equal(ContainerStore.claim(temp.path, container.id), undefined);
    assert.deepEqual(temp.names(), []);
  });
});

describe('sweepDead', () => {
  function sweep(temp: TempDataDir): string[] {
    return ContainerStore.sweepDead(temp.path).map((container: Container) => {
      container.remove();
      container[Symbol.dispose]();
      return container.id;
    });
  }

  it('takes litter, and leaves what lives and what is to be kept', () => {
    using temp = new TempDataDir();
    using alive = temp.make({ removeOnExit: true });
    const neverStarted = temp.make();
    const kept = temp.make();
    const toRemove = temp.make({ removeOnExit: true });
    const damaged = temp.make();
    const waiting = temp.make({ removeOnExit: true });
    for (const each of [kept, toRemove, damaged]) pretendStarted(each);
    kept.recordExit({ status: 0, finishedAt: FINISHED });
    waiting.keepUntilStarted();
    writeFileSync(join(damaged.directory, 'record.json'), '');
    for (const each of [neverStarted, kept, toRemove, damaged, waiting]) each[Symbol.dispose]();
    const expected = [neverStarted.id, toRemove.id, damaged.id].sort();
    assert.equal(ContainerStore.hasDead(temp.path), true);
    assert.deepEqual(sweep(temp).sort(), expected);
    assert.deepEqual(temp.names(), [alive.id, kept.id, waiting.id].sort());
    assert.deepEqual([ContainerStore.hasDead(temp.path), sweep(temp)], [false, []]);
  });

  it('hands out what is to be kept and has no end yet, once', () => {
    using temp = new TempDataDir();
    const killed = temp.make();
    pretendStarted(killed);
    killed[Symbol.dispose]();
    for (const each of ContainerStore.sweepDead(temp.path)) {
      using container = each;
      assert.deepEqual([container.id, container.isLitter()], [killed.id, false]);
      container.recordExit({ status: 137, finishedAt: FINISHED });
    }
    assert.equal(ContainerStore.find(temp.path, killed.id).exit?.status, 137);
    assert.deepEqual(sweep(temp), []);
  });

  it('finishes what was killed in the middle of making or removing', () => {
    using temp = new TempDataDir();
    temp.make().remove();
    for (const name of [`${'a'.repeat(64)}.new`, `${'b'.repeat(64)}.removed`]) {
      mkdirSync(join(temp.path, 'containers', name, 'upper', 'x'), { recursive: true });
    }
    assert.deepEqual(sweep(temp), []);
    assert.deepEqual(temp.names(), []);
  });
});

describe('contentInUse', () => {
  it('names what living and kept containers need, and nothing of litter', () => {
    using temp = new TempDataDir();
    using _alive = temp.make({ removeOnExit: true });
    const kept = temp.make();
    const litter = temp.make();
    pretendStarted(kept);
    for (const container of [kept, litter]) container[Symbol.dispose]();
    const contents = ContainerStore.contentInUse(temp.path);
    assert.equal(contents.length, 2);
    for (const { imageId, chainId, diffIds } of contents) {
      const { imageId: image, chainId: chain, diffIds: layers } = SPECIMEN;
      assert.deepEqual(
        { imageId, chainId, diffIds },
        { imageId: image, chainId: chain, diffIds: layers },
      );
    }
    assert.deepEqual(contents.map(({ removeOnExit }) => removeOnExit).sort(), [false, true]);
  });
});

it('fails with the path when the data directory cannot be written', () => {
  const directory = mkdtempSync('/tmp/dray-file-');
  try {
    writeFileSync(join(directory, 'containers'), 'a file');
    const create = (): unknown => ContainerStore.create(directory, SPECIMEN);
    assert.throws(create, engineError('HOST_CALL_FAILED', /containers.*ENOTDIR/));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
