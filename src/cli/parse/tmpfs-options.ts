/** Options of a file system in memory (tmpfs(5)). */
import { quote } from '../../core/errors.ts';
import { usageError } from './usage-error.ts';

const FLAGS: ReadonlySet<string> = new Set(
  (
    'rw ro exec noexec suid nosuid dev nodev sync async dirsync atime noatime diratime nodiratime ' +
    'relatime norelatime strictatime nostrictatime'
  ).split(' '),
);

const VALUES: ReadonlyMap<string, RegExp> = new Map([
  ['size', /^\d+[kmg%]?$/i],
  ['nr_blocks', /^\d+[kmg]?$/i],
  ['nr_inodes', /^\d+[kmg]?$/i],
  ['mode', /^[0-7]{1,4}$/],
  ['uid', /^\d{1,10}$/],
  ['gid', /^\d{1,10}$/],
]);

/** Options separated by commas; only known ones, since they go to mount(2). */
export function parseTmpfsOptions(text: string): string[] {
  const options = text.split(',').filter((option) => option !== '');
  for (const option of options) {
    const separator = option.indexOf('=');
    const pattern = separator < 0 ? undefined : VALUES.get(option.slice(0, separator));
    if (!FLAGS.has(option) && !pattern?.test(option.slice(separator + 1))) {
      throw usageError(`${quote(option)} is not an option of a tmpfs.`, {
        hint: 'Options are size=64m, mode=1777, uid=, gid=, ro, exec, suid, dev and their like.',
      });
    }
  }
  return options;
}
