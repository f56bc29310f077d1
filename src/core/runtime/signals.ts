/** Signals by name and number, as `--stop-signal` and STOPSIGNAL of an image write them. */
import { constants } from 'node:os';

/** The first real-time signal that the C library leaves to programs. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * The number of a signal given as `TERM`, `SIGTERM`, `15`, `SIGRTMIN+3` or `RTMAX-1`, in any case;
 * undefined when there is no such signal.
 */
export function parseSignal(text: string): number | undefined {
  if (/^\d{1,3}$/.test(text)) {
    return inRange(Number(text), 1);
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime !== null) {
    const base = realTime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX;
    const offset = Number(realTime[3] ?? 0);
    return inRange(realTime[2] === '-' ? base - offset : base + offset, SIGRTMIN);
  }
  return signalNumbers.get(`SIG${name}`);
}

const signalNumbers = new Map<string, number>(Object.entries(constants.signals));

function inRange(signal: number, lowest: number): number | undefined {
  return signal >= lowest && signal <= SIGRTMAX ? signal : undefined;
}
