/** Containers for tests. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Container,
  ContainerStore,
  type NewContainer,
} from '../../../src/core/container/container-store.ts';
import { chainIdOf, digestOf, parseDiffId } from '../../../src/core/oci/digest.ts';

const DIFF_ID = parseDiffId(digestOf('layer'), 'test');

/** What the tests make containers with. */
export const SPECIMEN: NewContainer = {
  imageId: digestOf('image'),
  chainId: chainIdOf([DIFF_ID]),
  diffIds: [DIFF_ID],
  reference: 'docker.io/library/busybox:latest',
  command: ['sh', '-c', 'echo "$A"'],
  removeOnExit: false,
};

/** A data directory that goes at the end. */
export class TempDataDir implements Disposable {
  readonly path = mkdtempSync(
    join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'dray-containers-'),
  );

  make(overrides: Partial<NewContainer> = {}): Container {
    return ContainerStore.create(this.path, { ...SPECIMEN, ...overrides });
  }

  /** Everything in `containers/`, and the names that are taken. */
  names(): string[] {
    const directory = join(this.path, 'containers');
    const below = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
    const taken = below(join(directory, 'names')).map((name) => `names/${name}`);
    return [...below(directory).filter((name) => name !== 'names'), ...taken]
      .filter((name) => name !== 'names/.lock')
      .sort();
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Makes it look as if the runtime had started the container's process. */
export function pretendStarted(container: Container): void {
  writeFileSync(join(container.directory, 'pid'), '1234');
}
