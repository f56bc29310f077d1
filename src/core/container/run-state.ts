/** What is written down about one run of a container, for whoever has to end it. */
import { bootId, identityOf, isAlive, type ProcessIdentity } from '../host/process-identity.ts';
import { requireArray, requireObject, requireSize, requireString } from '../oci/json-document.ts';
import { runFile } from './container-paths.ts';
import { parseVersioned } from './container-record.ts';
import { readTolerant } from './tolerant-file.ts';

/** The facts of a run that others need; in `run.json` from before runc starts. */
export interface RunFacts {
  /** Whether the supervisor has a session of its own and keeps the output in files. */
  readonly isDetached: boolean;
  /** Whether the container has a terminal. */
  readonly hasTerminal: boolean;
  /** The directories of the control groups that runc makes, in every hierarchy. */
  readonly cgroups: readonly string[];
  /** Where runc keeps its state of this container. */
  readonly runtimeRoot: string;
  /** Number of the signal that asks the container to end. */
  readonly stopSignal: number;
  /** How long it has between that signal and SIGKILL; undefined: the caller's default. */
  readonly stopTimeoutSeconds?: number;
  /** How often the supervisor has started the container again. */
  readonly restartCount: number;
}

/** `run.json`. */
export interface RunState extends RunFacts {
  /** The boot that the run belongs to: after another one nothing of it can be there. */
  readonly bootId: string;
  readonly supervisor: ProcessIdentity;
}

/** The text of `run.json` for a run that this process supervises. */
export function encodeRunState(facts: RunFacts): string {
  const state: RunState = { ...facts, bootId: bootId(), supervisor: identityOf(process.pid) };
  return JSON.stringify({ ...state, version: 1 });
}

/** The last run of the container in `directory`; undefined when it never ran or that is damaged. */
export function readRunState(directory: string): RunState | undefined {
  return readTolerant(runFile(directory), parseRunState);
}

/** Whether the process that supervised this run lives. A pid alone may be another one's by now. */
export function isSupervised({ bootId: boot, supervisor }: RunState): boolean {
  return boot === bootId() && isAlive(supervisor);
}

function parseRunState(bytes: Buffer, path: string): RunState {
  return parseVersioned(bytes, path, (object) => {
    const supervisor = requireObject(object.supervisor, 'supervisor', 'it');
    const timeout = object.stopTimeoutSeconds;
    return {
      isDetached: object.isDetached === true,
      hasTerminal: object.hasTerminal === true,
      cgroups: requireArray(object.cgroups, 'cgroups', 'it').map((each) =>
        requireString(each, 'cgroups', 'it'),
      ),
      runtimeRoot: requireString(object.runtimeRoot, 'runtimeRoot', 'it'),
      stopSignal: requireSize(object.stopSignal, 'stopSignal', 'it'),
      ...(typeof timeout === 'number' ? { stopTimeoutSeconds: timeout } : {}),
      restartCount: requireSize(object.restartCount, 'restartCount', 'it'),
      bootId: requireString(object.bootId, 'bootId', 'it'),
      supervisor: {
        pid: requireSize(supervisor.pid, 'supervisor.pid', 'it'),
        startTime: requireString(supervisor.startTime, 'supervisor.startTime', 'it'),
      },
    };
  });
}
