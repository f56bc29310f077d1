/** `-t` where there is no terminal. */
import { writeStderr } from './output.ts';

/** `options` without a terminal if there is none to give, which is said on standard error. */
export async function withUsableTerminal<
  Options extends { readonly tty: boolean; readonly detach?: boolean },
>(options: Options): Promise<Options> {
  if (!options.tty || options.detach === true) return options;
  const { isTerminal } = await import('./terminal.ts');
  if (isTerminal('stdin') || isTerminal('stdout')) return options;
  writeStderr('dray: neither stdin nor stdout is a terminal; -t has no effect\n');
  return { ...options, tty: false };
}
