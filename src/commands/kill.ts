import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArgs, printOutcome } from '../cli/container-args.ts';
import { parseStopSignal } from '../cli/parse/process.ts';

/** `dray kill`. */
export default class Kill extends BaseCommand {
  static override summary = 'Send a signal to the first process of running containers';
  static override enableJsonFlag = true;
  static override args = { container: containerArgs };
  static override flags = {
    signal: Flags.string({
      char: 's',
      description: 'name or number of the signal',
      helpValue: 'SIGNAL',
      default: 'KILL',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Kill);
    const signal = parseStopSignal(flags.signal, '--signal');
    const engine = await this.openEngine(flags);
    const { killContainers } = await import('../core/operations/stop-containers.ts');
    const outcome = await killContainers(engine, args.container, signal);
    const isJson = this.jsonEnabled();
    const { status, json } = await printOutcome(outcome, { isDebug: flags.debug, isJson });
    this.exitStatus = status;
    return json;
  }
}
