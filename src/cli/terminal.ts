/** What standard error can show. Loading `node:tty` takes milliseconds, so this is imported late. */
import { isatty, WriteStream } from 'node:tty';
import { terminalManners } from './settings.ts';

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A terminal on standard error in which lines can be drawn again in place. */
export interface Terminal {
  /** Undefined while it has none, as under expect and in some CI: there is nothing to draw on. */
  size(): TerminalSize | undefined;
}

const STDERR = 2;

/** The terminal on standard error; undefined when there is none or it only scrolls. */
export function openTerminal(): Terminal | undefined {
  if (!isatty(STDERR) || !terminalManners().canMoveCursor) return undefined;
  const stream = new WriteStream(STDERR);
  // The stream is only asked for its size; it must not keep the process alive.
  stream.unref();
  return {
    size: () => {
      const [columns = 0, rows = 0] = stream.getWindowSize();
      return columns > 0 && rows > 0 ? { columns, rows } : undefined;
    },
  };
}

/** Whether colour may be used on an output stream. */
export function isColourWelcome(stream: 'stdout' | 'stderr'): boolean {
  return isatty(stream === 'stdout' ? 1 : STDERR) && terminalManners().isColourWelcome;
}

/** Whether a standard stream is a terminal. */
export function isTerminal(stream: 'stdin' | 'stdout'): boolean {
  return isatty(stream === 'stdin' ? 0 : 1);
}

/** Whether lines on standard output can be drawn again in place. */
export function canRedraw(): boolean {
  return isatty(1) && terminalManners().canMoveCursor;
}
