/** The root of a container is the overlay's upper directory: it must look like the image's root. */
import { chmodSync, lchownSync, lstatSync, readdirSync } from 'node:fs';
import { getXattr, listXattrs, setTimes, setXattr } from '../host/libc.ts';

const NANOSECONDS = 1_000_000_000n;

/**
 * Gives a fresh `upperDir` the owner, mode, xattrs and time of `lowerDir`: overlayfs shows those of
 * the upper directory as the root's own. Once the overlay was mounted, which its work directory
 * tells, the upper directory is the container's and nothing is done.
 */
export function dressUpperDirectory(
  lowerDir: string,
  upper: { readonly upperDir: string; readonly workDir: string },
): void {
  if (readdirSync(upper.workDir).length > 0) return;
  const from = Buffer.from(lowerDir);
  const to = Buffer.from(upper.upperDir);
  const { uid, gid, mode, mtimeNs } = lstatSync(from, { bigint: true });
  lchownSync(to, Number(uid), Number(gid));
  for (const name of listXattrs(from)) setXattr(to, name, getXattr(from, name));
  chmodSync(to, Number(mode) & 0o7777);
  const nanoseconds = ((mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  setTimes(to, Number((mtimeNs - nanoseconds) / NANOSECONDS), Number(nanoseconds));
}
