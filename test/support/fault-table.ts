/** Faults for shares of the requests, the same ones in every run. */
import { createHash } from 'node:crypto';
import type { Fault, FaultHook, RecordedRequest } from './test-registry.ts';

/** One row: of every hundred requests, `percent` get this fault. */
export interface FaultRow {
  readonly name: string;
  readonly percent: number;
  /** `random` gives numbers from 0 to below 1. */
  readonly fault: (random: () => number) => Fault;
}

/** A table in use. */
export interface FaultTable {
  readonly hook: FaultHook;
  /** How often each row struck. */
  readonly strikes: ReadonlyMap<string, number>;
}

/** Of every hundred connections `cutPercent` are cut, and of every hundred answers `busyPercent` are 429 or 503. */
export function flakyRows(cutPercent: number, busyPercent: number): FaultRow[] {
  return [
    {
      name: 'cut',
      percent: cutPercent,
      fault: (random) => ({ cutAfterBytes: Math.floor(random() * 1_500_000) }),
    },
    {
      name: 'busy',
      percent: busyPercent,
      fault: (random) =>
        random() < 0.5
          ? { status: 429, headers: { 'retry-after': '1' } }
          : { status: 503, body: 'busy' },
    },
  ];
}

/**
 * Which request is struck follows from the seed, its method, its last path component and how often it
 * came before, not from the order in which requests arrive nor from the registry's port.
 */
export function faultTable(rows: readonly FaultRow[], seed: number): FaultTable {
  const strikes = new Map(rows.map(({ name }) => [name, 0]));
  const hook = (request: RecordedRequest, count: number): Fault | undefined => {
    const draw = drawer(`${seed} ${request.method} ${request.path.split('/').at(-1)} ${count}`);
    let left = draw() * 100;
    for (const { name, percent, fault } of rows) {
      left -= percent;
      if (left >= 0) continue;
      strikes.set(name, (strikes.get(name) ?? 0) + 1);
      return fault(draw);
    }
    return undefined;
  };
  return { hook, strikes };
}

function drawer(name: string): () => number {
  let turn = 0;
  return () => {
    turn += 1;
    const digest = createHash('sha256').update(`${name} ${turn}`).digest();
    return digest.readUInt32BE(0) / 2 ** 32;
  };
}

/** Bytes that look random and are the same in every run. */
export function seededBytes(seed: string, length: number): Buffer {
  const block = Buffer.alloc(32 * 1024);
  const parts: Buffer[] = [];
  for (let at = 0; at < length; at += block.length) {
    parts.push(
      createHash('shake256', { outputLength: block.length }).update(`${seed} ${at}`).digest(),
    );
  }
  return Buffer.concat(parts).subarray(0, length);
}
