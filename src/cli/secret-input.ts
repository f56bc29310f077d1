/** Asking a user for a name and a password, and reading a password from a pipe. */
import { ReadStream } from 'node:tty';
import { EngineError } from '../core/errors.ts';
import { writeStderr } from './output.ts';

const MAX_PASSWORD_BYTES = 64 * 1024;
const CONTROL_C = '\u0003';
const CONTROL_D = '\u0004';
const CONTROL_U = '\u0015';
const ERASE = new Set(['\u0008', '\u007f']);

/**
 * Reads a password from standard input, to its end; one line break at the end is not part of it.
 *
 * @throws EngineError `USAGE_INVALID` for more than 64 KiB; the reason of `signal`.
 */
export async function readPassword(signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = (): void => void process.stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of process.stdin) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_PASSWORD_BYTES) {
        throw new EngineError(
          'USAGE_INVALID',
          `the password on standard input has more than ${MAX_PASSWORD_BYTES} bytes`,
        );
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** Asks on the terminal that standard input is. Its echo is on again once this is disposed. */
export class Prompt implements Disposable {
  readonly #terminal = new ReadStream(0);
  readonly #signal: AbortSignal;
  #pending = '';

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * Asks for one line.
   *
   * @throws the reason of the signal; EngineError `USAGE_INVALID` when the input ends.
   */
  async ask(question: string, { isHidden }: { readonly isHidden: boolean }): Promise<string> {
    this.#signal.throwIfAborted();
    this.#terminal.setRawMode(isHidden);
    writeStderr(question);
    try {
      return await this.#readLine();
    } finally {
      this.#terminal.setRawMode(false);
      if (isHidden) writeStderr('\n');
    }
  }

  [Symbol.dispose](): void {
    this.#terminal.setRawMode(false);
    this.#terminal.destroy();
  }

  #readLine(): Promise<string> {
    const terminal = this.#terminal;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let line = '';
    const take = (text: string): void => {
      this.#pending = '';
      for (const [index, character] of [...text].entries()) {
        if (character === '\r' || character === '\n') {
          this.#pending = [...text].slice(index + 1).join('');
          resolve(line);
          return;
        }
        if (character === CONTROL_C) process.kill(process.pid, 'SIGINT');
        else if (character === CONTROL_D && line === '') reject(inputEnded());
        else if (character === CONTROL_U) line = '';
        else if (ERASE.has(character)) line = [...line].slice(0, -1).join('');
        else line += character;
      }
    };
    const onAbort = (): void => reject(this.#signal.reason);
    const onEnd = (): void => reject(inputEnded());
    terminal.setEncoding('utf8').on('data', take).on('end', onEnd).on('error', reject).resume();
    this.#signal.addEventListener('abort', onAbort, { once: true });
    take(this.#pending);
    return promise.finally(() => {
      terminal.off('data', take).off('end', onEnd).off('error', reject).pause();
      this.#signal.removeEventListener('abort', onAbort);
    });
  }
}

function inputEnded(): EngineError {
  return new EngineError('USAGE_INVALID', 'the input ended before there was an answer');
}
