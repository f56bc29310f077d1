/** What a supervisor process does: everything between the start and the end of a detached container. */
import { closeSync, existsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Container, ContainerStore } from '../container/container-store.ts';
import type { LogStream } from '../container/log-format.ts';
import { LogWriter } from '../container/log-writer.ts';
import { EngineError } from '../errors.ts';
import { releaseProgramPages } from '../host/memory.ts';
import { drainPipe, makePipe } from '../host/pipe.ts';
import type { ContainerExit } from '../runtime/runc.ts';
import type { SignalSource } from './forward-signals.ts';
import { settleExit } from './settle-exit.ts';
import type { ContainerStdio, SupervisePlan } from './supervise.ts';
import { superviseAttended } from './supervise-attended.ts';
import {
  encodeFailure,
  encodeStarted,
  LOCK_FD,
  REPORT_FD,
  type SupervisorRequest,
} from './supervisor-request.ts';
import { unmountContainer } from './unmount-container.ts';

/** How long output may still come after the end, from a descriptor that left the container. */
const LAST_OUTPUT_MS = 2000;
const DEFAULT_STOP_SECONDS = 10;

/**
 * Runs the container of `request`, keeps its output, and cleans up after it. Its lock and the report
 * are the descriptors that `startDetached` gave us. Never rejects: what goes wrong is reported, or
 * written down as the container's end.
 */
export async function superviseDetached(
  request: SupervisorRequest,
  signals: SignalSource,
): Promise<void> {
  using container = ContainerStore.adopt(request.dataDir, request.containerId, LOCK_FD);
  const report = new Report();
  let exit: ContainerExit;
  try {
    exit = await runLogged(container, request, { signals, report });
  } catch (error) {
    exit = { status: 125, isStarted: false };
    report.send(encodeFailure(error));
  }
  unmountContainer(container.directory);
  if (exit.failure !== undefined) report.send(encodeFailure(exit.failure));
  const isNeverRun = report.isFailure;
  if (!isNeverRun) trySettle(container, exit);
  if (isNeverRun ? request.isNew : request.removeOnExit) await removeAll(container, request);
  // Only now: whoever waits for the report may do what he likes with the container.
  container[Symbol.dispose]();
  report.close();
}

/** On a disk that takes no more, the next command that finds room writes down that it has ended. */
function trySettle(container: Container, exit: ContainerExit): void {
  try {
    settleExit(container, exit);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

async function removeAll(container: Container, { dataDir }: SupervisorRequest): Promise<void> {
  const hasVolumes = existsSync(join(container.directory, 'volumes.json'));
  container.remove();
  if (!hasVolumes) return;
  const { sweepVolumesNow } = await import('./sweep-volumes.ts');
  sweepVolumesNow(dataDir);
}

async function runLogged(
  container: Container,
  request: SupervisorRequest,
  { signals, report }: { readonly signals: SignalSource; readonly report: Report },
): Promise<ContainerExit> {
  using log = new LogWriter(container.directory, request.log);
  const { runcPath, runtimeRoot, facts } = request;
  const output = new Output(log, request.interactive);
  const openStdio = facts.hasTerminal
    ? await terminalStdio(container.directory, output)
    : () => output.open();
  const plan: SupervisePlan = {
    container,
    facts: { ...facts, stopTimeoutSeconds: facts.stopTimeoutSeconds ?? DEFAULT_STOP_SECONDS },
    runc: { runcPath, runtimeRoot, stdin: 'ignore' },
    openStdio,
    signals,
    ...(request.network === undefined ? {} : { network: request.network }),
    isDetached: true,
    restartCount: 0,
    onStarted: () => {
      report.send(encodeStarted());
      setTimeout(releaseProgramPages, 1000).unref();
    },
  };
  try {
    return await superviseAttended(plan, request);
  } finally {
    await output.finished();
  }
}

/** A terminal, of which we have the side of the screen and the keyboard. */
async function terminalStdio(directory: string, output: Output): Promise<() => ContainerStdio> {
  const { receiveConsole } = await import('../runtime/console.ts');
  return () => {
    const receiver = receiveConsole(directory, (fd) => output.readFrom('stdout', fd));
    return {
      stdio: ['ignore', 'ignore', 'ignore'],
      consoleSocket: receiver.socketPath,
      close: () => {},
    };
  };
}

/** The pipes between the container and its log. */
class Output {
  readonly #log: LogWriter;
  readonly #isInteractive: boolean;
  #drained: Promise<unknown> = Promise.resolve();
  #stdin: number | undefined;

  constructor(log: LogWriter, isInteractive: boolean) {
    this.#log = log;
    this.#isInteractive = isInteractive;
  }

  /** The container's descriptors for one run; they are closed by the result's `close`. */
  open(): ContainerStdio {
    const stdin: number | 'ignore' = this.#isInteractive ? this.#openInput() : 'ignore';
    const stdout = this.#openOutput('stdout');
    const stderr = this.#openOutput('stderr');
    return {
      stdio: [stdin, stdout, stderr],
      close: () => {
        for (const fd of [stdin, stdout, stderr]) if (typeof fd === 'number') closeSync(fd);
      },
    };
  }

  /** Keeps what arrives at `fd`. */
  readFrom(stream: LogStream, fd: number): void {
    const { ended } = drainPipe(fd, (chunk) => this.#log.append(stream, chunk));
    this.#drained = Promise.all([this.#drained, ended]);
  }

  /** Resolves when all output is in the log. */
  async finished(): Promise<void> {
    await Promise.race([this.#drained, delay(LAST_OUTPUT_MS, undefined, { ref: false })]);
  }

  #openOutput(stream: LogStream): number {
    const { readFd, writeFd } = makePipe();
    this.readFrom(stream, readFd);
    return writeFd;
  }

  /** Nobody writes to it, and it does not end: whoever reads waits. */
  #openInput(): number {
    if (this.#stdin !== undefined) closeSync(this.#stdin);
    const { readFd, writeFd } = makePipe();
    this.#stdin = writeFd;
    return readFd;
  }
}

/** The one line that whoever started us waits for. */
class Report {
  #isOpen = true;
  isFailure = false;

  send(line: string): void {
    if (!this.#isOpen) return;
    this.isFailure = line.includes('"isStarted":false');
    try {
      writeSync(REPORT_FD, line);
    } catch {
      // He was killed; the container is nobody else's business then.
    }
    if (!this.isFailure) this.close();
  }

  close(): void {
    if (this.#isOpen) closeSync(REPORT_FD);
    this.#isOpen = false;
  }
}
