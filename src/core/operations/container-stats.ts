/** `stats`: what containers use, again and again. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerListing } from '../container/container-directory.ts';
import { ContainerStore } from '../container/container-store.ts';
import {
  type GroupUsage,
  type NetworkUsage,
  readGroupUsage,
  readNetworkUsage,
} from '../host/group-usage.ts';
import type { OperationOptions } from '../progress.ts';
import { containerNetwork } from './container-network.ts';
import type { Engine } from './engine.ts';

/** What a container uses. */
export interface ContainerUsage extends Omit<GroupUsage, 'cpuNanoseconds'>, NetworkUsage {
  /** Of one processor: 150 is one and a half. */
  readonly cpuPercent: number;
}

/** One container at one moment. */
export interface ContainerStats {
  readonly id: string;
  readonly name: string | undefined;
  /** As it was asked for; its id when it was not. */
  readonly input: string;
  /** Undefined while it does not run. */
  readonly usage: ContainerUsage | undefined;
}

/** Which containers, and how often. */
export interface StatsOptions extends OperationOptions {
  /** None: those that run, and with `all` all. */
  readonly inputs: readonly string[];
  readonly all: boolean;
  readonly intervalMs: number;
}

/**
 * Reads what containers use, forever, once per interval; processor time is that of the interval. A
 * container that was asked for and is removed later is left out from then on.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND` for an input, before anything is read; the reason of
 *   `signal`
 */
export async function* containerStats(
  engine: Engine,
  options: StatsOptions,
): AsyncGenerator<ContainerStats[]> {
  const { signal, intervalMs } = options;
  const select = selection(engine, options);
  let before = new Map(select().map((chosen) => [chosen.listing.id as string, read(chosen)]));
  for (;;) {
    await delay(intervalMs, undefined, signal === undefined ? {} : { signal });
    const readings = select().map(read);
    yield readings.map((reading) => statsOf(reading, before.get(reading.chosen.listing.id)));
    before = new Map(readings.map((reading) => [reading.chosen.listing.id, reading]));
  }
}

interface Chosen {
  readonly listing: ContainerListing;
  readonly input: string;
}

function selection({ settings: { dataDir } }: Engine, { inputs, all }: StatsOptions) {
  const asked = inputs.map((input) => ({ input, id: ContainerStore.find(dataDir, input).id }));
  return (): Chosen[] => {
    const listings = ContainerStore.list(dataDir);
    if (asked.length === 0) {
      const shown = all ? listings : listings.filter(isUp);
      return shown.map((listing) => ({ listing, input: listing.id }));
    }
    return asked.flatMap(({ id, input }) => {
      const listing = listings.find((each) => each.id === id);
      return listing === undefined ? [] : { listing, input };
    });
  };
}

function isUp({ phase }: ContainerListing): boolean {
  return phase === 'running' || phase === 'paused';
}

interface Reading {
  readonly chosen: Chosen;
  readonly atMs: number;
  readonly group: GroupUsage | undefined;
  readonly network: NetworkUsage;
}

const NO_NETWORK: NetworkUsage = { receivedBytes: 0, sentBytes: 0 };

function read(chosen: Chosen): Reading {
  const { listing } = chosen;
  const { run, pid } = listing;
  // The host's traffic is not the container's.
  const isCounted = pid !== undefined && containerNetwork(listing).mode !== 'host';
  return {
    chosen,
    atMs: performance.now(),
    group: isUp(listing) && run !== undefined ? readGroupUsage(run.cgroups) : undefined,
    network: isCounted ? readNetworkUsage(pid) : NO_NETWORK,
  };
}

const NANOSECONDS_PER_MS = 1e6;

function statsOf({ chosen, group, atMs, network }: Reading, before: Reading | undefined) {
  const { listing, input } = chosen;
  const { id, record } = listing;
  if (group === undefined) return { id, name: record?.name, input, usage: undefined };
  const { cpuNanoseconds, ...used } = group;
  const earlier = before?.group?.cpuNanoseconds ?? cpuNanoseconds;
  const spentMs = Number(cpuNanoseconds - earlier) / NANOSECONDS_PER_MS;
  const passedMs = atMs - (before?.atMs ?? 0);
  // A container that was started again counts from zero.
  const cpuPercent = Math.max((spentMs / passedMs) * 100, 0);
  return { id, name: record?.name, input, usage: { ...used, ...network, cpuPercent } };
}
