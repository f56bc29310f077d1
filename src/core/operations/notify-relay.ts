/**
 * Tells a service manager (systemd) that a container is ready, as sd_notify(3) describes.
 *
 * The container gets a socket of its own; what it says is passed on by this process, which the
 * service manager knows as the one that it started. Handed in as it is, the manager's socket would be
 * of no use: it tells senders apart by their control group.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import { bindDatagramSocket, receiveDatagram, sendDatagram } from '../host/unix-socket.ts';
import type { NotifyRequest } from '../runtime/run-options.ts';

/** A relay for one run of a container. */
export interface NotifyRelay extends Disposable {
  /** To be called when the container's process runs. */
  started(): void;
}

/** In the container's directory; `prepareContainer` mounts it. */
const NOTIFY_DIRECTORY = 'notify';
const NOTIFY_SOCKET = 'notify.sock';

const POLL_MS = 50;
const LONGEST_MESSAGE = 4096;

/** What a container may say; the number of its main process, for one, means nothing outside. */
const PASSED_ON =
  /^(READY|STATUS|STOPPING|RELOADING|ERRNO|WATCHDOG|EXTEND_TIMEOUT_USEC|MONOTONIC_USEC)=/;

/** Opens the relay before the container is started. @throws SystemCallError */
export function openNotifyRelay(directory: string, { by, socket }: NotifyRequest): NotifyRelay {
  if (by === 'dray') {
    return { started: () => tell(socket, ready(['READY=1'])), [Symbol.dispose]: () => {} };
  }
  const place = join(directory, NOTIFY_DIRECTORY);
  mkdirSync(place, { recursive: true, mode: 0o755 });
  const path = join(place, NOTIFY_SOCKET);
  rmSync(path, { force: true });
  const bound = bindDatagramSocket(path);
  // The container's user need not be ours.
  chmodSync(path, 0o777);
  const relay = (): void => {
    for (let next = receive(bound.fd); next !== undefined; next = receive(bound.fd)) {
      const lines = next.split('\n').filter((line) => PASSED_ON.test(line));
      if (lines.length > 0) tell(socket, ready(lines));
    }
  };
  const timer = setInterval(relay, POLL_MS);
  return {
    started: () => {},
    [Symbol.dispose]: () => {
      clearInterval(timer);
      relay();
      bound[Symbol.dispose]();
    },
  };
}

function receive(fd: number): string | undefined {
  return receiveDatagram(fd, LONGEST_MESSAGE)?.toString();
}

/** With readiness goes who is to be watched from now on: this process. */
function ready(lines: readonly string[]): string {
  const main = lines.includes('READY=1') ? [`MAINPID=${process.pid}`] : [];
  return [...lines, ...main].join('\n');
}

function tell(socket: string, message: string): void {
  try {
    sendDatagram(socket, message);
  } catch (error) {
    // A manager that does not listen is no reason to end the container.
    if (!(error instanceof EngineError)) throw error;
  }
}
