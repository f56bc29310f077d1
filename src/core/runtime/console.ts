/** The terminal of a detached container: runc makes it and sends it to us. */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import {
  acceptConnection,
  type BoundSocket,
  listenAt,
  receiveDescriptor,
} from '../host/unix-socket.ts';

const POLL_MS = 5;

/** Waits for one terminal. Disposing stops waiting and removes the socket. */
export interface ConsoleReceiver extends Disposable {
  /** For `--console-socket`. */
  readonly socketPath: string;
}

/**
 * Opens a socket in `directory` for the console of one run; `onConsole` is called with the master
 * side of its terminal, whose descriptor is then the callee's.
 *
 * @throws SystemCallError
 */
export function receiveConsole(
  directory: string,
  onConsole: (fd: number) => void,
): ConsoleReceiver {
  const listening: BoundSocket = listenAt(join(directory, 'console.sock'));
  let connection: number | undefined;
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    clearInterval(timer);
    if (connection !== undefined) closeSync(connection);
    listening[Symbol.dispose]();
  };
  const timer = setInterval(() => {
    connection ??= acceptConnection(listening.fd);
    const console = connection === undefined ? undefined : receiveDescriptor(connection);
    if (console === undefined) return;
    close();
    onConsole(console);
  }, POLL_MS);
  return { socketPath: listening.shortPath, [Symbol.dispose]: close };
}
