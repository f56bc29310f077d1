import { BaseCommand } from '../cli/base-command.ts';
import { printLine } from '../cli/output.ts';
import { openProgressView } from '../cli/progress-view.ts';
import { parseRunFlags, runFlags } from '../cli/run-flags.ts';
import { callerEnvironment, workingDirectory } from '../cli/settings.ts';
import Run from './run.ts';

/** `dray create`, which rkt calls `prepare`. */
export default class Create extends BaseCommand {
  static override summary = 'Make a container without starting it, and print its id';
  static override aliases = ['prepare'];
  static override usage = 'create [FLAGS] IMAGE [COMMAND [ARG...]]';
  static override examples = ['dray start --attach "$(dray create busybox echo hello)"'];
  static override stopsAtPositional = true;
  static override args = Run.args;
  static override flags = runFlags;

  async run() {
    const { args, flags } = await this.parse(Create);
    const options = parseRunFlags(flags, args.image, args.command ?? [], {
      env: callerEnvironment(),
      cwd: workingDirectory(),
    });
    const engine = await this.openEngine(flags);
    using view = openProgressView({ isQuiet: options.quiet });
    const { createWaiting } = await import('../core/operations/start-containers.ts');
    const hooks = { signal: this.signal, onProgress: view.onProgress };
    printLine(await createWaiting(engine, options, hooks));
  }
}
