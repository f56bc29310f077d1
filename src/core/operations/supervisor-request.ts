/** What a supervisor process is told, as one argument, and what it tells back. */
import { existsSync } from 'node:fs';
import { type ContainerId, isContainerId } from '../container/container-id.ts';
import { stopFile } from '../container/container-paths.ts';
import { EngineError, type ErrorCode } from '../errors.ts';
import type { LogLimits } from '../runtime/run-options.ts';
import type { NetworkPlan } from './network-plan.ts';
import type { RunFacts } from './supervise.ts';
import type { Attendance } from './supervise-attended.ts';

/** Descriptor of the container's lock in the supervisor. */
export const LOCK_FD = 3;
/** Descriptor on which the supervisor reports, once. */
export const REPORT_FD = 4;

/** A container that is mounted and has its bundle, and what is to be done with it. */
export interface SupervisorRequest extends Attendance {
  readonly dataDir: string;
  readonly containerId: ContainerId;
  readonly runcPath: string;
  readonly runtimeRoot: string;
  readonly facts: RunFacts;
  readonly interactive: boolean;
  readonly removeOnExit: boolean;
  /** Whether the container has just been made, and goes when its process cannot be started. */
  readonly isNew: boolean;
  readonly log?: LogLimits;
  readonly network?: NetworkPlan;
}

/** The argument of a supervisor. */
export function encodeSupervisorRequest(request: SupervisorRequest): string {
  return JSON.stringify(request);
}

/** The inverse; the argument comes from `startSupervisor` of the same dray. */
export function decodeSupervisorRequest(text: string): SupervisorRequest {
  const request = JSON.parse(text) as SupervisorRequest;
  if (!isContainerId(request.containerId)) throw new Error('this is no request for a supervisor');
  return request;
}

/** The report that all went well. */
export function encodeStarted(): string {
  return `${JSON.stringify({ isStarted: true })}\n`;
}

/** The report of why the container's process was never started. */
export function encodeFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code: ErrorCode = error instanceof EngineError ? error.code : 'RUNTIME_FAILED';
  const hint = error instanceof EngineError ? error.hint : undefined;
  return `${JSON.stringify({ isStarted: false, code, message, hint })}\n`;
}

/**
 * Throws what a report says; empty when the supervisor ended without one. The usual reason is another
 * command that stopped, removed or replaced the container (of which `directory` is the place).
 */
export function checkReport(text: string, directory: string): void {
  if (text === '') {
    const isStopped = existsSync(stopFile(directory)) || !existsSync(directory);
    const why = isStopped
      ? 'another command stopped or removed the container before it ran'
      : 'the supervisor of the container ended at once';
    throw new EngineError('RUNTIME_FAILED', why);
  }
  const report = JSON.parse(text) as {
    readonly isStarted: boolean;
    readonly code?: ErrorCode;
    readonly message?: string;
    readonly hint?: string;
  };
  if (report.isStarted) return;
  const { code = 'RUNTIME_FAILED', message = 'the container could not be started', hint } = report;
  throw new EngineError(code, message, hint === undefined ? {} : { hint });
}
