import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import {
  containerInputs,
  optionalContainerArgs,
  printOutcome,
  uuidFileFlag,
} from '../cli/container-args.ts';
import { parseSeconds } from '../cli/parse/quantities.ts';

/** `dray stop`. */
export default class Stop extends BaseCommand {
  static override summary = 'Stop containers: their stop signal, then SIGKILL';
  static override enableJsonFlag = true;
  static override args = { container: optionalContainerArgs };
  static override flags = {
    time: Flags.string({
      char: 't',
      aliases: ['timeout'],
      description: "time before SIGKILL; the container's --stop-timeout by default, else 10",
      helpValue: 'SECONDS',
    }),
    force: Flags.boolean({ description: 'SIGKILL at once', default: false }),
    'uuid-file': uuidFileFlag,
  };

  async run() {
    const { args, flags } = await this.parse(Stop);
    const inputs = containerInputs(args.container, flags['uuid-file']);
    const engine = await this.openEngine(flags);
    const { stopContainers } = await import('../core/operations/stop-containers.ts');
    const seconds = flags.time === undefined ? undefined : parseSeconds(flags.time, '--time');
    const timeoutSeconds = flags.force ? 0 : seconds;
    const outcome = await stopContainers(engine, inputs, {
      signal: this.signal,
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    });
    const isJson = this.jsonEnabled();
    const { status, json } = await printOutcome(outcome, { isDebug: flags.debug, isJson });
    this.exitStatus = status;
    return json;
  }
}
