/** Turns whatever was thrown into an error for the user, and prints it. */
import { EngineError, type ErrorCode, escapeControls } from '../core/errors.ts';
import { printJson, writeStderr } from './output.ts';

/** How an error is shown. */
export interface ReportOptions {
  /** As `{"error": …}` on standard output. */
  readonly isJson: boolean;
  /** With causes and stack. */
  readonly isDebug: boolean;
  /** Command the error belongs to, in words. */
  readonly command?: string | undefined;
}

/** An error as `--json` prints it. */
export interface ErrorJson {
  readonly error: {
    readonly code: ErrorCode | 'INTERNAL';
    readonly message: string;
    readonly hint: string | null;
  };
}

/** Prints `error`: what the user can act on as a sentence and a hint, a bug with its stack. */
export async function reportError(error: unknown, options: ReportOptions): Promise<void> {
  if (options.isJson && isPrinted(errorJson(error, options))) return;
  if (error instanceof EngineError) await reportEngineError(error, options);
  else reportBug(error);
}

/** Standard output may be what is broken: the error then goes where it would without `--json`. */
function isPrinted(json: ErrorJson): boolean {
  try {
    printJson(json);
    return true;
  } catch (error) {
    if (error instanceof EngineError) return false;
    throw error;
  }
}

async function reportEngineError(error: EngineError, options: ReportOptions): Promise<void> {
  const hint = hintOf(error, options);
  const name = await paintedName();
  writeStderr(`${name} ${error.message}\n${hint === undefined ? '' : `  ${hint}\n`}`);
  if (options.isDebug) writeStderr(causesOf(error));
}

/** `dray:`, red where colour is welcome. */
async function paintedName(): Promise<string> {
  const { isColourWelcome } = await import('./terminal.ts');
  if (!isColourWelcome('stderr')) return 'dray:';
  const { chalkStderr } = await import('chalk');
  return chalkStderr.red('dray:');
}

/** The JSON form of `error`. */
export function errorJson(error: unknown, options: Pick<ReportOptions, 'command'> = {}): ErrorJson {
  if (!(error instanceof EngineError)) {
    return { error: { code: 'INTERNAL', message: messageOf(error), hint: null } };
  }
  return {
    error: { code: error.code, message: error.message, hint: hintOf(error, options) ?? null },
  };
}

/**
 * oclif's own parse errors as `USAGE_INVALID`; anything else unchanged.
 *
 * oclif prefixes what a flag's parser throws and appends a line about `--help` to every message, so
 * both are taken off again.
 */
export function asEngineError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const message = error.message
    .replace(/\nSee more help with --help$/, '')
    .replace(/^Parsing --(\S+) \n\t/, (_, name) => `--${name}: `);
  if (error instanceof EngineError) {
    if (message === error.message) return error;
    return new EngineError(error.code, message, { ...hintField(error.hint), cause: error });
  }
  if (!('oclif' in error) && message === error.message) return error;
  const sentence = message.replace(/\n\nNote: [\s\S]*$/, '').replace(/\s*\n\s*/g, ' ');
  return new EngineError('USAGE_INVALID', sentence, { cause: error });
}

function hintField(hint: string | undefined) {
  return hint === undefined ? {} : { hint };
}

function hintOf(
  error: EngineError,
  { command }: Pick<ReportOptions, 'command'>,
): string | undefined {
  if (error.hint !== undefined) return escapeControls(error.hint);
  if (error.code !== 'USAGE_INVALID' || command === undefined) return undefined;
  return `Run "dray ${command} --help" for its arguments and flags.`;
}

function reportBug(error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeStderr(`dray: internal error (this is a bug in dray)\n${escapeLines(stack)}\n`);
}

function causesOf(error: Error): string {
  const lines = [escapeLines(error.stack ?? '')];
  for (let cause = error.cause; cause !== undefined; ) {
    lines.push(`caused by: ${escapeLines(stackOf(cause))}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return `${lines.join('\n')}\n`;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function messageOf(error: unknown): string {
  return escapeControls(error instanceof Error ? error.message : String(error));
}

function escapeLines(text: string): string {
  return text.split('\n').map(escapeControls).join('\n');
}
