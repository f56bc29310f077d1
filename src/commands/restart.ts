import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArgs, printOutcome } from '../cli/container-args.ts';
import { parseSeconds } from '../cli/parse/quantities.ts';

/** `dray restart`. */
export default class Restart extends BaseCommand {
  static override summary = 'Stop containers and start them again';
  static override args = { container: containerArgs };
  static override flags = {
    time: Flags.string({
      char: 't',
      aliases: ['timeout'],
      description: "time before SIGKILL; the container's --stop-timeout by default, else 10",
      helpValue: 'SECONDS',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Restart);
    const seconds = flags.time === undefined ? undefined : parseSeconds(flags.time, '--time');
    const engine = await this.openEngine(flags);
    const { restartContainers } = await import('../core/operations/start-containers.ts');
    const outcome = await restartContainers(engine, args.container, {
      signal: this.signal,
      ...(seconds === undefined ? {} : { timeoutSeconds: seconds }),
    });
    const { status } = await printOutcome(outcome, { isDebug: flags.debug, isJson: false });
    this.exitStatus = status;
  }
}
