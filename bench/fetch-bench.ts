/** A cold fetch of the application image, beside podman's and beside what the machine can do at all. */
import type { DockerRegistry } from '../test/support/docker-registry.ts';
import { LoopExt4 } from '../test/support/loop-ext4.ts';
import { type BenchEngine, drayEngine, podmanEngine } from './engines.ts';
import { type Contender, interleave, type Measured, timeProcess } from './measure.ts';

const STORE_MIB = 6144;

/** What is fetched. */
export interface FetchSubject {
  readonly registry: DockerRegistry;
  readonly reference: string;
  /** `repository` and the digests of its layers. */
  readonly repository: string;
  readonly layers: readonly { readonly digest: string }[];
}

/** Fetches in turns, each engine onto an ext4 that was made a moment ago. */
export function measureFetch(
  subject: FetchSubject,
  { hasPodman, rounds }: { hasPodman: boolean; rounds: number },
): Promise<Measured[]> {
  return interleave(
    [
      coldFetch('dray fetch', drayEngine, subject),
      ...(hasPodman ? [coldFetch('podman pull', podmanEngine, subject)] : []),
      floor('floor: curl | sha256sum, layers in parallel', subject, 'sha256sum'),
      floor(
        'floor: and gzip -d | sha256sum',
        subject,
        'tee /dev/fd/3 3> >(gzip -dc | sha256sum) | sha256sum',
      ),
    ],
    rounds,
  );
}

function coldFetch(
  name: string,
  engineIn: (directory: string) => BenchEngine,
  { reference }: FetchSubject,
): Contender {
  let disk: LoopExt4 | undefined;
  return {
    name,
    before: () => {
      disk = LoopExt4.create({ sizeMiB: STORE_MIB });
    },
    work: () => {
      if (disk === undefined) throw new Error('there is no file system to fetch onto');
      return engineIn(disk.mountPoint).fetch(reference);
    },
    after: () => disk?.[Symbol.dispose](),
  };
}

function floor(name: string, subject: FetchSubject, filter: string): Contender {
  const transfers = subject.layers.map(({ digest }) => {
    const url = `http://${subject.registry.host}/v2/${subject.repository}/blobs/${digest}`;
    return `{ curl -sSf ${url} | ${filter} >/dev/null; } & pids="$pids $!"`;
  });
  const script = `${transfers.join('\n')}\nfor pid in $pids; do wait "$pid" || exit 1; done`;
  return { name, work: () => timeProcess(['bash', '-o', 'pipefail', '-c', script]) };
}
