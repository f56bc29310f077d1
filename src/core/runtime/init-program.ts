/**
 * The first process of `--init`: it reaps what is left behind and passes signals on. It is the
 * host's own program, so it must need nothing of the image: statically linked.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { EngineError, hasErrno } from '../errors.ts';

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

const ELF_MAGIC = Buffer.from('\x7fELF', 'latin1');
const CLASS_64 = 2;
const PT_INTERP = 3;

/** Whether `path` is a 64-bit little-endian ELF program without an interpreter (elf(5)). */
function isStaticExecutable(path: string): boolean {
  const header = readStart(path, 4096);
  if (!header.subarray(0, 4).equals(ELF_MAGIC) || header[4] !== CLASS_64 || header.length < 64) {
    return false;
  }
  const tableOffset = Number(header.readBigUInt64LE(32));
  const entrySize = header.readUInt16LE(54);
  const entries = header.readUInt16LE(56);
  for (let index = 0; index < entries; index += 1) {
    const offset = tableOffset + index * entrySize;
    if (offset + 4 > header.length || header.readUInt32LE(offset) === PT_INTERP) {
      return false;
    }
  }
  return true;
}

function readStart(path: string, length: number): Buffer {
  try {
    const fd = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(length);
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
