import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { barLines } from '../../src/cli/progress-lines.ts';
import { FetchProgress } from '../../src/cli/progress-state.ts';
import { viewOn } from '../../src/cli/progress-view.ts';
import type { Digest } from '../../src/core/oci/digest.ts';
import type { ProgressEvent } from '../../src/core/progress.ts';

const digest = (char: string) => `sha256:${char.repeat(64)}` as Digest;
const A = digest('a');
const B = digest('b');
const MIB = 1024 ** 2;

const RESOLVED: readonly ProgressEvent[] = [
  { type: 'resolving', reference: 'localhost:5000/app', source: 'localhost:5000' },
  {
    type: 'resolved',
    reference: 'localhost:5000/app:latest',
    layers: [
      { digest: A, sizeBytes: 40 * MIB },
      { digest: B, sizeBytes: 0 },
    ],
  },
];

const transfer = (mebibytes: number): ProgressEvent => ({
  type: 'layer-transfer',
  digest: A,
  transferredBytes: mebibytes * MIB,
  totalBytes: 40 * MIB,
});

function stateAfter(events: readonly ProgressEvent[], stepMs = 0): FetchProgress {
  const progress = new FetchProgress();
  for (const [index, event] of events.entries()) progress.apply(event, index * stepMs);
  return progress;
}

/** A target that keeps all that is written to it. */
function recorder(size: { columns: number; rows: number } | undefined) {
  const written: string[] = [];
  return { written, write: (text: string) => void written.push(text), size: () => size };
}

/** What a terminal shows after `output`: this knows the sequences that the view uses. */
function screenAfter(output: string): string[] {
  let lines = [''];
  for (const part of output.split(/(\n|\u001b\[\d+A\r\u001b\[J)/)) {
    const up = /^\u001b\[(\d+)A/.exec(part)?.[1];
    if (up !== undefined) lines = [...lines.slice(0, lines.length - 1 - Number(up)), ''];
    else if (part === '\n') lines.push('');
    else lines[lines.length - 1] += part;
  }
  return lines;
}

describe('barLines', () => {
  const size = { columns: 80, rows: 24 };

  it('shows bytes and a rate for a layer that is being transferred', () => {
    const lines = barLines(stateAfter([...RESOLVED, transfer(10), transfer(20)], 1000), size);
    assert.deepEqual(lines, [
      'aaaaaaaaaaaa  [============             ]  20MiB/40MiB  10MiB/s',
      'bbbbbbbbbbbb  [=========================]  0B',
    ]);
  });

  it('follows a layer through its phases', () => {
    const phases: readonly (readonly [ProgressEvent, RegExp])[] = [
      [{ type: 'layer-waiting', digest: A }, /40MiB {2}waiting for another process$/],
      [{ type: 'layer-indexing', digest: A }, /40MiB {2}indexing$/],
      [{ type: 'layer-done', digest: A, reused: false }, /40MiB {2}done$/],
      [{ type: 'layer-done', digest: A, reused: true }, /40MiB {2}already here$/],
    ];
    for (const [event, expected] of phases) {
      assert.match(barLines(stateAfter([...RESOLVED, event]), size)[0] ?? '', expected);
    }
  });

  it('ignores events of a layer that the image does not have', () => {
    const stranger: ProgressEvent = { type: 'layer-indexing', digest: digest('c') };
    assert.equal(barLines(stateAfter([...RESOLVED, stranger]), size).length, 2);
  });

  it('never fills the last column, so that no line wraps', () => {
    for (const columns of [1, 2, 20, 40]) {
      const lines = barLines(stateAfter([...RESOLVED, transfer(10)]), { columns, rows: 24 });
      assert.ok(lines.every((line) => line.length < columns));
    }
  });

  it('counts what does not fit the height of the terminal', () => {
    const layers = Array.from({ length: 30 }, (_, index) => ({
      digest: `sha256:${String(index).padStart(64, '0')}` as Digest,
      sizeBytes: MIB,
    }));
    const first = layers[0]?.digest ?? A;
    const second = layers[1]?.digest ?? B;
    const state = stateAfter([
      { type: 'resolved', reference: 'x', layers },
      { type: 'layer-done', digest: first, reused: false },
      { type: 'layer-indexing', digest: second },
    ]);
    const lines = barLines(state, { columns: 80, rows: 10 });
    assert.equal(lines.length, 2);
    assert.equal(lines[1], '1 of 30 layers done');
  });
});

describe('a view on a terminal', () => {
  it('draws again in place and leaves the last state below what it wrote above', () => {
    const target = recorder({ columns: 80, rows: 24 });
    const view = viewOn(target);
    for (const event of RESOLVED) view.onProgress(event);
    view.onProgress({ type: 'warning', message: 'first' });
    view.onProgress(transfer(10));
    view.onProgress({ type: 'warning', message: 'second\u001b[2J' });
    view.onProgress({ type: 'layer-done', digest: A, reused: false });
    view[Symbol.dispose]();
    assert.deepEqual(screenAfter(target.written.join('')), [
      'fetching localhost:5000/app from localhost:5000',
      'warning: first',
      'warning: second\\x1b[2J',
      'aaaaaaaaaaaa  40MiB  done',
      'bbbbbbbbbbbb  [=========================]  0B',
      '',
    ]);
  });

  it('keeps the bars of an image when the next one begins', () => {
    const target = recorder({ columns: 80, rows: 24 });
    const view = viewOn(target);
    for (const event of [...RESOLVED, ...RESOLVED]) view.onProgress(event);
    view[Symbol.dispose]();
    const screen = screenAfter(target.written.join(''));
    assert.equal(screen.filter((line) => line.startsWith('aaaaaaaaaaaa')).length, 2);
  });
});

describe('a view on a terminal, once the layers are merged', () => {
  it('draws no more, so that nothing written meanwhile is erased', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const target = recorder({ columns: 80, rows: 24 });
    const view = viewOn(target);
    for (const event of RESOLVED) view.onProgress(event);
    view.onProgress({ type: 'layer-done', digest: A, reused: false });
    view.onProgress({ type: 'merging', reference: 'x' });
    target.write('output of a container\n');
    view.onProgress({ type: 'warning', message: 'late' });
    context.mock.timers.tick(10_000);
    view[Symbol.dispose]();
    assert.deepEqual(screenAfter(target.written.join('')).slice(1), [
      'aaaaaaaaaaaa  40MiB  done',
      'bbbbbbbbbbbb  [=========================]  0B',
      'output of a container',
      'warning: late',
      '',
    ]);
  });
});

describe('a view where nothing can be drawn again', () => {
  it('writes plain lines without a control character', () => {
    const target = recorder(undefined);
    const view = viewOn(target);
    const events: readonly ProgressEvent[] = [
      ...RESOLVED,
      transfer(10),
      { type: 'retrying', host: 'h', reason: 'cut\n', attempt: 2, attempts: 5, delayMs: 1500 },
      { type: 'layer-waiting', digest: B },
      { type: 'layer-done', digest: A, reused: false },
      { type: 'layer-done', digest: B, reused: true },
      { type: 'merging', reference: 'x' },
    ];
    for (const event of events) view.onProgress(event);
    view[Symbol.dispose]();
    assert.deepEqual(target.written.join('').split('\n'), [
      'fetching localhost:5000/app from localhost:5000',
      'h: cut\\x0a; trying again in 1.5 s (attempt 2 of 5)',
      'layer bbbbbbbbbbbb: another process is transferring it',
      'layer aaaaaaaaaaaa: 40MiB done',
      'layer bbbbbbbbbbbb: 0B already here',
      '',
    ]);
  });
});

describe('the progress of a push', () => {
  const events: readonly ProgressEvent[] = [
    {
      type: 'pushing',
      reference: 'localhost:5000/app:1',
      registry: 'localhost:5000',
      blobs: [
        { digest: A, sizeBytes: 40 * MIB },
        { digest: B, sizeBytes: 3 * MIB },
      ],
    },
    transfer(10),
    { type: 'blob-pushed', digest: B, outcome: 'mounted' },
  ];

  it('is a bar for each blob on a terminal', () => {
    const [first, second] = barLines(stateAfter(events), { columns: 80, rows: 24 });
    assert.match(first ?? '', /^a{12} {2}\[=+ +\] {2}10MiB\/40MiB/);
    assert.match(second ?? '', /^b{12} {2}3\.0MiB {2}mounted$/);
  });

  it('is a line for each blob elsewhere', () => {
    const target = recorder(undefined);
    const view = viewOn(target);
    const done: ProgressEvent = { type: 'blob-pushed', digest: A, outcome: 'uploaded' };
    for (const event of [...events, done]) view.onProgress(event);
    assert.equal(
      target.written.join(''),
      [
        'pushing localhost:5000/app:1 to localhost:5000',
        'blob bbbbbbbbbbbb: 3.0MiB mounted',
        'blob aaaaaaaaaaaa: 40MiB done',
        '',
      ].join('\n'),
    );
  });
});
