/** The size of a terminal. */
import { nativeFunction } from './ffi.ts';

const ioctl = nativeFunction('ioctl', { arguments: ['i32', 'u64', 'pointer'], return: 'i32' });
const TIOCGWINSZ = 0x5413n;

/** Rows and columns of a terminal. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** The size of the terminal behind `fd`; undefined when there is none, or it has no size. */
export function terminalSize(fd: number): TerminalSize | undefined {
  const size = Buffer.alloc(8);
  if (ioctl()(fd, TIOCGWINSZ, size) !== 0) return undefined;
  const rows = size.readUInt16LE(0);
  const columns = size.readUInt16LE(2);
  return rows > 0 && columns > 0 ? { rows, columns } : undefined;
}
