import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArg } from '../cli/container-args.ts';
import { openProgressView } from '../cli/progress-view.ts';

/** `dray run-prepared`, as rkt has it. */
export default class RunPrepared extends BaseCommand {
  static override summary = 'Run a container that was prepared, and end with its exit status';
  static override passesSignals = true;
  static override args = { container: containerArg };
  static override flags = {
    interactive: Flags.boolean({ char: 'i', description: 'give it our stdin', default: false }),
  };

  async run() {
    const { args, flags } = await this.parse(RunPrepared);
    const engine = await this.openEngine(flags);
    const { startAttached } = await import('../core/operations/start-containers.ts');
    using view = openProgressView({ isQuiet: false });
    this.exitStatus = await startAttached(engine, args.container, {
      signal: this.signal,
      signals: this.signals,
      onProgress: view.onProgress,
      interactive: flags.interactive,
    });
  }
}
