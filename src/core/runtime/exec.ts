/**
 * Runs a further process in a running container, through `runc exec`.
 *
 * As with `run`, our own descriptors are handed on where they may be, and the process becomes our
 * child. With a terminal, or a descriptor that belongs to somebody else, runc stays and copies; it is
 * told to die with us, so that whatever kills us leaves nothing behind outside the container.
 */
import { existsSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno } from '../errors.ts';
import { adoptOrphans, waitForOrphan } from '../host/child-reaper.ts';
import { type AttachedProcess, type ProcessEnd, spawnAttached } from '../host/process.ts';
import type { RuntimeProcess } from '../oci/runtime-spec.ts';
import { parseSignal } from '../oci/signals.ts';
import type { RuncContainer } from './container-process.ts';
import { encodeProcess } from './exec-process.ts';
import { isHandedOver } from './runc.ts';
import { runcFailure } from './runc-log.ts';
import { RUNC_ENVIRONMENT, runcCommand } from './runc-program.ts';
import { SignalMailbox } from './signal-mailbox.ts';

/** One `runc exec`. */
export interface RuncExec extends RuncContainer {
  readonly runcPath: string;
  /** A directory for this call alone, absolute and empty. */
  readonly directory: string;
  readonly process: RuntimeProcess;
  /** `inherit` gives our own stdin; `ignore` an empty one. */
  readonly stdin: 'inherit' | 'ignore';
  /** Nobody waits for it: it gets no input, no output, and is not our child. */
  readonly isDetached: boolean;
}

/** A process that runc is starting in a container. */
export interface ExecutedProcess {
  /**
   * Resolves when it has ended, with the status for our caller: its own, or 128+n after signal n;
   * for a detached one when it runs, with 0.
   *
   * @throws EngineError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`, `RUNTIME_FAILED` when it never
   *   ran; runc has printed its own words on stderr already
   */
  readonly exited: Promise<number>;
  /** Passes a signal on; while the process starts, as soon as it runs. */
  forward(signal: NodeJS.Signals | number): void;
  /** Kills it, also while it is only starting; resolves when it has ended. */
  kill(): Promise<void>;
}

const PROCESS_FILE = 'process.json';
const PID_FILE = 'pid';
const LOG_FILE = 'runc.log';
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'];

/** Starts the process. @throws SystemCallError when runc cannot be started */
export function execInContainer(exec: RuncExec): ExecutedProcess {
  writeFileSync(join(exec.directory, PROCESS_FILE), encodeProcess(exec.process), { mode: 0o600 });
  const { stdin, isDetached, process } = exec;
  // The kernel ends a container only when all its processes were waited for. So whoever adopts one
  // waits for it, and a detached one is left to process 1.
  if (!isDetached) adoptOrphans();
  const isOurs = isDetached || isHandedOver({ stdin, uid: process.user.uid });
  return !process.terminal && isOurs ? execDetached(exec) : execAttached(exec);
}

function execDetached(exec: RuncExec): ExecutedProcess {
  const runc = spawnAttached(execArguments(exec, '--detach'), {
    stdio: exec.isDetached ? 'ignore' : [exec.stdin, 'inherit', 'inherit'],
    env: RUNC_ENVIRONMENT,
    newSession: true,
  });
  const mailbox = new SignalMailbox();
  const exited = runc.exited.then(async (end) => {
    const pid = readPid(exec);
    if (end.status !== 0 || pid === undefined) throw execFailure(exec, end);
    if (exec.isDetached) return 0;
    mailbox.open(pid);
    return statusOf(await waitForOrphan(pid, () => mailbox.close()));
  });
  return executed(exec, { runc, mailbox, exited });
}

function execAttached(exec: RuncExec): ExecutedProcess {
  const mailbox = new SignalMailbox();
  const watcher = watch(exec.directory, { persistent: false }, (_event, fileName) => {
    const pid = fileName === PID_FILE ? readPid(exec) : undefined;
    if (pid !== undefined) mailbox.open(pid);
  });
  const runc = spawnAttached([...dyingWithUs(), ...execArguments(exec)], {
    stdio: [exec.stdin, 'inherit', 'inherit'],
    env: RUNC_ENVIRONMENT,
    newSession: !exec.process.terminal,
  });
  const exited = runc.exited.then(async (end) => {
    watcher.close();
    const pid = readPid(exec);
    if (pid === undefined) throw execFailure(exec, end);
    if (end.signalName === null) {
      mailbox.close();
      return end.status ?? 0;
    }
    // runc itself was killed: the process is our child now, and nobody copies for it.
    mailbox.open(pid);
    mailbox.send('SIGKILL');
    return statusOf(await waitForOrphan(pid, () => mailbox.close()));
  });
  return executed(exec, { runc, mailbox, exited });
}

/** The parts that both ways have. */
interface ExecParts {
  readonly runc: AttachedProcess;
  readonly mailbox: SignalMailbox;
  readonly exited: Promise<number>;
}

function executed(exec: RuncExec, parts: ExecParts): ExecutedProcess {
  const { runc, mailbox, exited } = parts;
  return {
    exited,
    forward: (signal) => mailbox.send(signal),
    kill: async () => {
      mailbox.send('SIGKILL');
      // Nothing runs yet: then it may be runc that hangs.
      if (readPid(exec) === undefined) runc.kill('SIGKILL');
      await exited.catch(() => {});
    },
  };
}

/** Without setpriv(1) a runc that copies outlives us until the process in the container ends. */
function dyingWithUs(): string[] {
  const setpriv = SETPRIV.find((path) => existsSync(path));
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--'];
}

function execArguments(exec: RuncExec, ...flags: readonly string[]): string[] {
  const file = (name: string) => join(exec.directory, name);
  const log = ['--log', file(LOG_FILE), '--log-format', 'json'];
  const files = ['--pid-file', file(PID_FILE), '--process', file(PROCESS_FILE)];
  rmSync(file(PID_FILE), { force: true });
  return runcCommand(exec, ...log, 'exec', ...flags, ...files, exec.containerId);
}

function readPid(exec: RuncExec): number | undefined {
  const text = readIfPresent(join(exec.directory, PID_FILE));
  return text === undefined ? undefined : Number(text);
}

function execFailure(exec: RuncExec, end: ProcessEnd): EngineError {
  const log = readIfPresent(join(exec.directory, LOG_FILE)) ?? '';
  const how = end.signalName ?? `status ${end.status}`;
  const message = `runc ended with ${how} before the process in the container was started`;
  return runcFailure(log) ?? new EngineError('RUNTIME_FAILED', message);
}

function statusOf({ status, signalName }: ProcessEnd): number {
  return signalName === null ? (status ?? 0) : 128 + (parseSignal(signalName) ?? 0);
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
