/** Signals for processes that are not our children, without mistaking one for another. */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { lastErrno } from './ffi.ts';
import { throwLastError } from './libc.ts';
import { SYS_PIDFD_OPEN, SYS_PIDFD_SEND_SIGNAL, systemCall } from './system-call.ts';

/**
 * Sends a signal to the process `pid` if `isIt` says that it is the right one. The process is held
 * before it is looked at, so its number cannot become another's in between. False when it is gone or
 * another one.
 *
 * @throws SystemCallError
 */
export function signalExactly(pid: number, signal: number, isIt: () => boolean): boolean {
  const fd = systemCall(SYS_PIDFD_OPEN, pid, 0);
  if (fd < 0) return goneOr('pidfd_open', pid);
  try {
    if (!isIt()) return false;
    if (systemCall(SYS_PIDFD_SEND_SIGNAL, fd, signal, null, 0) === 0) return true;
    return goneOr('pidfd_send_signal', pid);
  } finally {
    closeSync(fd);
  }
}

function goneOr(call: string, pid: number): false {
  if (lastErrno() === constants.errno.ESRCH) return false;
  return throwLastError(call, `for the process ${pid}`);
}
