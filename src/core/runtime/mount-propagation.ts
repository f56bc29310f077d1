/** Whether mounts that the host makes later can appear below a path (mount_namespaces(7)). */
import { readFileSync, realpathSync } from 'node:fs';
import { isWithin } from './root-path.ts';

/** One line of /proc/self/mountinfo (proc(5)). */
interface MountLine {
  readonly mountPoint: string;
  readonly receives: boolean;
}

/**
 * The mount that `path` lies on, if it is private, so that nothing propagates to what is bound from
 * it; undefined when it receives mounts. `path` must exist.
 */
export function privateMountOf(path: string): string | undefined {
  const real = realpathSync(path);
  const found = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'))
    .filter(({ mountPoint }) => isWithin(real, mountPoint))
    // Of two at one place the later one is seen.
    .reduce<MountLine | undefined>(
      (best, line) =>
        best === undefined || line.mountPoint.length >= best.mountPoint.length ? line : best,
      undefined,
    );
  return found === undefined || found.receives ? undefined : found.mountPoint;
}

function parseMountInfo(text: string): MountLine[] {
  return text.split('\n').flatMap((line) => {
    const words = line.split(' ');
    const end = words.indexOf('-');
    const written = words[4];
    if (end < 0 || written === undefined) return [];
    const receives = words.slice(6, end).some((word) => /^(shared|master):/.test(word));
    return [{ mountPoint: unescapeOctal(written), receives }];
  });
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
