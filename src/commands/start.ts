import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArgs, printOutcome } from '../cli/container-args.ts';
import { usageError } from '../cli/parse/usage-error.ts';
import { openProgressView } from '../cli/progress-view.ts';

/** `dray start`. */
export default class Start extends BaseCommand {
  static override summary = 'Start containers that were created or have ended';
  static override description = [
    'With --attach the container runs on our own output, as with "dray run", and we end with its exit',
    'status; its output is then not kept for "dray logs".',
  ].join(' ');
  static override passesSignals = true;
  static override args = { container: containerArgs };
  static override flags = {
    attach: Flags.boolean({ char: 'a', description: 'run it on our own output', default: false }),
    interactive: Flags.boolean({
      char: 'i',
      description: 'give it our stdin; implies --attach',
      default: false,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Start);
    const operation = await import('../core/operations/start-containers.ts');
    const engine = await this.openEngine(flags);
    using view = openProgressView({ isQuiet: false });
    const hooks = { signal: this.signal, onProgress: view.onProgress };
    const [first = '', ...others] = args.container;
    if (flags.attach || flags.interactive) {
      if (others.length > 0) throw usageError('only one container can be attached to');
      const attached = { ...hooks, signals: this.signals, interactive: flags.interactive };
      this.exitStatus = await operation.startAttached(engine, first, attached);
      return;
    }
    const outcome = await operation.startContainers(engine, args.container, hooks);
    const { status } = await printOutcome(outcome, { isDebug: flags.debug, isJson: false });
    this.exitStatus = status;
  }
}
