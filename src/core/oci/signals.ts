/** Signals by name and number, as `--stop-signal` and STOPSIGNAL of an image write them. */

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
  return signalNumbers.get(name);
}

// By number, from 1 on: Linux on every architecture that dray runs on (signal(7)).
const NAMES =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS';

const signalNumbers: ReadonlyMap<string, number> = new Map([
  ...NAMES.split(' ').map((name, index): [string, number] => [name, index + 1]),
  ['IOT', 6],
  ['CLD', 17],
  ['POLL', 29],
]);

function inRange(signal: number, lowest: number): number | undefined {
  return signal >= lowest && signal <= SIGRTMAX ? signal : undefined;
}
