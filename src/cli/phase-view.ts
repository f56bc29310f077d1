/** A spinner for work that has one phase and no measure; warnings are shown when it has ended. */
import type { ProgressEvent } from '../core/progress.ts';
import { writeStderr } from './output.ts';
import { noticeLine } from './progress-lines.ts';
import type { ProgressView } from './progress-view.ts';

/** A view that says `text` while it is open, on a terminal only. */
export async function openPhaseView(
  text: string,
  options: { readonly isQuiet: boolean },
): Promise<ProgressView> {
  if (options.isQuiet) return { onProgress: () => {}, [Symbol.dispose]: () => {} };
  const spinner = await startSpinner(text);
  const notices: string[] = [];
  return {
    onProgress: (event: ProgressEvent) => {
      const line = noticeLine(event);
      if (line !== undefined) notices.push(line);
    },
    [Symbol.dispose]: () => {
      spinner?.stop();
      for (const line of notices) writeStderr(`${line}\n`);
    },
  };
}

/**
 * ora draws for ever on a terminal without a size, and by default takes the terminal's input: the
 * one is asked first, the other switched off.
 */
async function startSpinner(text: string) {
  const { openTerminal } = await import('./terminal.ts');
  if (openTerminal()?.size() === undefined) return undefined;
  const { default: ora } = await import('ora');
  return ora({ text, stream: process.stderr, discardStdin: false }).start();
}
