/** Where `dray login` gets a user name and a password from. */
import { EngineError } from '../core/errors.ts';
import { writeStderr } from './output.ts';

/** Flags of `dray login`. */
export interface LoginFlags {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly 'password-stdin': boolean;
}

/** A user name and a password that somebody gave. */
export interface LoginInput {
  readonly username: string;
  readonly password: string;
}

/**
 * Takes them from the flags, and asks on the terminal for what is missing.
 *
 * @throws EngineError `USAGE_INVALID` for flags that contradict each other, or without a terminal; the
 * reason of `signal`.
 */
export async function askForLogin(flags: LoginFlags, signal: AbortSignal): Promise<LoginInput> {
  const { username, password } = flags;
  if (flags['password-stdin']) {
    if (password !== undefined) {
      throw new EngineError('USAGE_INVALID', '--password and --password-stdin exclude each other');
    }
    if (username === undefined) {
      throw new EngineError('USAGE_INVALID', '--password-stdin needs --username');
    }
    const { readPassword } = await import('./secret-input.ts');
    return { username, password: await readPassword(signal) };
  }
  if (password !== undefined) {
    writeStderr('dray: --password shows the password to other users; use --password-stdin\n');
    if (username !== undefined) return { username, password };
  }
  const { isTerminal } = await import('./terminal.ts');
  if (!isTerminal('stdin')) {
    throw new EngineError('USAGE_INVALID', 'nobody can be asked: standard input is no terminal', {
      hint: 'Use --username USER --password-stdin.',
    });
  }
  const { Prompt } = await import('./secret-input.ts');
  using prompt = new Prompt(signal);
  const user = username ?? (await prompt.ask('Username: ', { isHidden: false }));
  const secret = password ?? (await prompt.ask('Password: ', { isHidden: true }));
  return { username: user, password: secret };
}
