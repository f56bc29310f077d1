/** `:U`: a tree for the container's user. */
import { lchownSync, lstatSync, readdirSync } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import { withSystemErrors } from '../host/libc.ts';

/** Trees that the machine cannot do without. */
const SYSTEM_PATHS: ReadonlySet<string> = new Set(
  '/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /proc /root /run /sbin /sys /usr /var'.split(
    ' ',
  ),
);

/** The new owner, by number. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Gives `path` and all below it to `owner`, links themselves and not what they lead to. Does not
 * touch what has that owner already.
 *
 * @throws EngineError `USAGE_INVALID` for a directory of the system; SystemCallError
 */
export function chownTree(path: string, owner: Owner): void {
  if (SYSTEM_PATHS.has(path)) {
    throw new EngineError('USAGE_INVALID', `The owner of ${quote(path)} is not changed.`, {
      hint: 'Mount a directory of its own with :U, or leave :U out.',
    });
  }
  withSystemErrors(`while changing the owner of ${quote(path)}`, () =>
    chownAll(Buffer.from(path), owner),
  );
}

function chownAll(path: Buffer, owner: Owner): void {
  const stats = lstatSync(path);
  if (stats.isDirectory()) {
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      chownAll(Buffer.concat([path, Buffer.from('/'), name]), owner);
    }
  }
  if (stats.uid !== owner.uid || stats.gid !== owner.gid) {
    lchownSync(path, owner.uid, owner.gid);
  }
}
