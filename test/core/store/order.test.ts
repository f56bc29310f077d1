/** The order of what reaches the disk: bytes before names, names before references. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { TempStore } from './store-fixture.ts';

const SCENARIO = join(import.meta.dirname, 'crash-scenario.ts');
const hasStrace = spawnSync('strace', ['-V']).status === 0;

interface DiskEvent {
  readonly call: 'sync' | 'rename' | 'unlink';
  /** Relative to the data directory. */
  readonly path: string;
  /** Where a rename goes. */
  readonly target: string;
}

/** What the scenario did to the disk, in the order in which it began. */
function traceScenario({ dataDir, parent }: TempStore): DiskEvent[] {
  const trace = join(parent, 'trace');
  const { status, stderr } = spawnSync(
    'strace',
    [
      ...[
        '-f',
        '-qq',
        '-y',
        '-s',
        '4096',
        '-o',
        trace,
        '-e',
        'trace=rename,fsync,fdatasync,unlink',
      ],
      ...[process.execPath, '--disable-warning=ExperimentalWarning', SCENARIO, dataDir],
    ],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  const relative = (path: string | undefined): string => (path ?? '').slice(dataDir.length + 1);
  return readFileSync(trace, 'utf8')
    .split('\n')
    .flatMap((line): DiskEvent[] => {
      const rename = /rename\("([^"]+)", "([^"]+)"/.exec(line);
      if (rename !== null) {
        return [{ call: 'rename', path: relative(rename[1]), target: relative(rename[2]) }];
      }
      const sync = /(?:fsync|fdatasync)\(\d+<([^>]+)>/.exec(line);
      if (sync !== null) return [{ call: 'sync', path: relative(sync[1]), target: '' }];
      const unlink = /unlink\("([^"]+)"/.exec(line);
      return unlink === null ? [] : [{ call: 'unlink', path: relative(unlink[1]), target: '' }];
    });
}

function lastBefore(
  events: readonly DiskEvent[],
  at: number,
  matches: (event: DiskEvent) => boolean,
) {
  return events.findLastIndex((event, index) => index < at && matches(event));
}

const CONTENT = ['blobs/sha256', 'layers/sha256', 'rootfs/sha256', 'images'];

describe('the store', { skip: hasStrace ? false : 'strace is not installed' }, () => {
  let events: readonly DiskEvent[] = [];
  before(() => {
    using temp = new TempStore();
    events = traceScenario(temp);
  });

  it('syncs bytes before names, names before references, and references before it removes', () => {
    // What goes the other way, into ingest/, is on its way out.
    const renames = [...events.entries()].filter(
      ([, { call, target }]) => call === 'rename' && !target.startsWith('ingest/'),
    );
    assert.ok(renames.length > 20);
    for (const [at, { path, target }] of renames) {
      const synced = lastBefore(
        events,
        at,
        (event) => event.call === 'sync' && event.path === path,
      );
      assert.ok(synced >= 0, `${target} got its name before its bytes were synced`);
    }

    const references = renames.filter(([, { target }]) => target === 'index.json');
    assert.ok(references.length >= 4);
    for (const [at] of references) {
      for (const directory of CONTENT) {
        const named = lastBefore(events, at, ({ target }) => target.startsWith(`${directory}/`));
        const synced = lastBefore(
          events,
          at,
          ({ call, path }) => call === 'sync' && path === directory,
        );
        assert.ok(named < synced, `a reference was written before ${directory} was synced`);
      }
      const next = events.slice(at + 1).find(({ call }) => call === 'sync');
      assert.equal(next?.path, '', 'the data directory is synced after a reference');
    }
  });

  it('names the data of a layer before its index', () => {
    const targets = events.map(({ target }) => target);
    const indexes = targets.filter((target) => target.endsWith('.index'));
    assert.ok(indexes.length >= 4);
    for (const index of indexes) {
      const data = index.replace(/index$/, 'data');
      assert.ok(targets.indexOf(data) < targets.indexOf(index), index);
    }
  });

  it('takes a reference away before the first of its files', () => {
    const isContent = ({ call, path }: DiskEvent): boolean =>
      call === 'unlink' && CONTENT.some((directory) => path.startsWith(`${directory}/`));
    const removed = events.findIndex(isContent);
    assert.ok(removed > 0);
    // Three images were put, and one of these was removed.
    const references = events.slice(0, removed).filter(({ target }) => target === 'index.json');
    assert.equal(references.length, 4);
  });
});
