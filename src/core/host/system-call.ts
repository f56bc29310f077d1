/** Calls by number, for those that older C libraries have no wrapper for. */
import { EngineError } from '../errors.ts';
import { nativeFunction } from './ffi.ts';

// The same numbers on every architecture: calls from 424 on are numbered in common.
export const SYS_PIDFD_SEND_SIGNAL = 424;
export const SYS_MOVE_MOUNT = 429;
export const SYS_FSOPEN = 430;
export const SYS_FSCONFIG = 431;
export const SYS_FSMOUNT = 432;
export const SYS_PIDFD_OPEN = 434;
export const SYS_CLOSE_RANGE = 436;
export const SYS_OPENAT2 = 437;

/** The number of mknodat, which glibc before 2.33 has no symbol for. */
export function sysMknodat(): number {
  if (process.arch === 'x64') {
    return 259;
  }
  if (process.arch === 'arm64') {
    return 33;
  }
  throw new EngineError('HOST_UNSUPPORTED', `dray does not know the processor ${process.arch}.`);
}

const syscall = nativeFunction('syscall', {
  arguments: ['i64', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
  return: 'i64',
});

/** An argument of a call: a number (negative ones are sign-extended), memory, or a null pointer. */
export type CallArgument = number | Buffer | null;

/** Calls `number` with up to six arguments; -1 means failure, with errno set. */
export function systemCall(number: number, ...args: readonly CallArgument[]): number {
  const [a, b, c, d, e, f] = args.map(toRegister);
  return Number(
    syscall()(BigInt(number), a ?? null, b ?? null, c ?? null, d ?? null, e ?? null, f ?? null),
  );
}

function toRegister(argument: CallArgument): bigint | Buffer | null {
  return typeof argument === 'number' ? BigInt.asUintN(64, BigInt(argument)) : argument;
}
