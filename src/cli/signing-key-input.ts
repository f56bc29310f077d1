/** The private key of `--sign-key`, and where its password comes from. */
import { resolve } from 'node:path';
import { EngineError, escapeControls, hideInMessages, quote } from '../core/errors.ts';
import { readFlagFile } from './parse/flag-file.ts';
import { callerEnvironment, workingDirectory } from './settings.ts';

/** A private key as its file has it. */
export interface SigningKeyInput {
  /** The path as it was typed. */
  readonly label: string;
  readonly pem: string;
  /** Undefined for a key that needs none. */
  readonly password: string | undefined;
}

/**
 * Reads the file of a private key. The password of an encrypted one is in COSIGN_PASSWORD, or the user
 * is asked on the terminal.
 *
 * @throws EngineError `USAGE_INVALID`; the reason of `signal`
 */
export async function readSigningKey(file: string, signal: AbortSignal): Promise<SigningKeyInput> {
  const { needsPassword } = await import('../core/operations/sign-image.ts');
  const pem = readPem(file);
  const password = needsPassword(pem) ? await passwordOf(file, signal) : undefined;
  if (password !== undefined) hideInMessages(password);
  return { label: file, pem, password };
}

function readPem(file: string): string {
  try {
    return readFlagFile(resolve(workingDirectory(), file)).toString('latin1');
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new EngineError(
      'USAGE_INVALID',
      `--sign-key ${quote(file)} cannot be read: ${cause.message}`,
      { cause },
    );
  }
}

async function passwordOf(file: string, signal: AbortSignal): Promise<string | undefined> {
  const given = callerEnvironment().COSIGN_PASSWORD;
  if (given !== undefined) return given;
  const { isTerminal } = await import('./terminal.ts');
  if (!isTerminal('stdin')) return undefined;
  const { Prompt } = await import('./secret-input.ts');
  using prompt = new Prompt(signal);
  return await prompt.ask(`Password of ${escapeControls(file)}: `, { isHidden: true });
}
