/**
 * The part of a container's /etc/hosts that follows its networks: a block at the end, between two
 * comments. The rest belongs to whoever wrote it, the container included.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { hasErrno } from '../errors.ts';

const BEGIN = '# begin of what dray keeps current';
const END = '# end of what dray keeps current';
const LARGEST_FILE_BYTES = 1024 * 1024;

/** One line: an address and the names that lead to it. */
export interface HostsLine {
  readonly address: string;
  readonly names: readonly string[];
}

/** `text` with a block of these lines instead of the one that it has; without lines, without a block. */
export function withHostsBlock(text: string, lines: readonly HostsLine[]): string {
  const start = text.indexOf(BEGIN);
  const end = text.indexOf(END, start);
  const hasBlock = start !== -1 && end !== -1;
  const before = hasBlock ? text.slice(0, start) : text;
  const after = hasBlock ? text.slice(end + END.length).replace(/^\n/, '') : '';
  const rest = before === '' || before.endsWith('\n') ? before : `${before}\n`;
  if (lines.length === 0) return rest + after;
  const block = lines.map(({ address, names }) => `${address}\t${names.join(' ')}`);
  return `${rest}${[BEGIN, ...block, END].join('\n')}\n${after}`;
}

/**
 * Brings the block of a file up to date, in place: the file is mounted in a container. One that is
 * missing, no plain file, or larger than a mebibyte is left alone.
 */
export function updateHostsFile(path: string, lines: readonly HostsLine[]): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ELOOP')) return;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > LARGEST_FILE_BYTES) return;
    const bytes = Buffer.alloc(stats.size);
    const old = bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
    const text = Buffer.from(withHostsBlock(old.toString('latin1'), lines), 'latin1');
    if (text.equals(old)) return;
    writeSync(fd, text, 0, text.length, 0);
    ftruncateSync(fd, text.length);
  } finally {
    closeSync(fd);
  }
}
