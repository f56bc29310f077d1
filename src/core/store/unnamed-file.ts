/** Files of the store that never have a name: what only one process needs while it works. */
import { randomBytes } from 'node:crypto';
import { constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { withStoreErrors } from './store-error.ts';
import { makingParent, unlinkIfThere } from './store-file.ts';
import { ingestDir } from './store-paths.ts';

/**
 * Opens an empty file on the store's file system for reading and writing, and returns its descriptor,
 * which the caller closes. The file is gone with its last descriptor, however the process ends; a
 * kill in the instant before it lost its name leaves an empty file in `ingest/`, which gc removes.
 *
 * @throws EngineError `STORE_UNUSABLE`, `PERMISSION_DENIED`
 */
export function openUnnamedFile(dataDir: string): number {
  const path = join(ingestDir(dataDir), `${randomBytes(8).toString('hex')}.tmp`);
  return withStoreErrors('make a file in', ingestDir(dataDir), () => {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
    const fd = makingParent(path, () => openSync(path, flags, 0o600));
    unlinkIfThere(path);
    return fd;
  });
}
