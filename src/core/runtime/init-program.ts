/**
 * The first process of `--init`: it reaps what is left behind and passes signals on. It is the
 * host's own program, so it must need nothing of the image: statically linked.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { EngineError, hasErrno } from '../errors.ts';
import { PROGRAM_START_BYTES, programFormat } from './program-format.ts';

/** Where the program appears in the container. */
export const INIT_DESTINATION = '/sbin/docker-init';

const CANDIDATES = [
  '/usr/bin/tini-static',
  '/usr/bin/docker-init',
  '/usr/libexec/docker/docker-init',
  '/usr/bin/catatonit',
  '/usr/libexec/podman/catatonit',
  '/usr/bin/tini',
];

/**
 * Finds a statically linked init program on the host.
 *
 * @throws EngineError `HOST_UNSUPPORTED` when there is none
 */
export function findInitProgram(candidates: readonly string[] = CANDIDATES): string {
  const found = candidates.find(isStaticExecutable);
  if (found === undefined) {
    throw new EngineError(
      'HOST_UNSUPPORTED',
      '--init needs tini or catatonit on this machine, statically linked; neither was found.',
      { hint: 'Install one: apt-get install tini' },
    );
  }
  return found;
}

function isStaticExecutable(path: string): boolean {
  const format = programFormat(readStart(path));
  return format.kind === 'elf' && format.interpreter === undefined;
}

function readStart(path: string): Buffer {
  try {
    const fd = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(PROGRAM_START_BYTES);
      return bytes.subarray(0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return Buffer.alloc(0);
    }
    throw error;
  }
}
