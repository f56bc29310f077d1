import { BaseCommand } from '../cli/base-command.ts';
import { containerArgs, printOutcome } from '../cli/container-args.ts';

/** `dray pause`. */
export default class Pause extends BaseCommand {
  static override summary = 'Freeze all processes of running containers';
  static override enableJsonFlag = true;
  static override args = { container: containerArgs };

  async run() {
    const { args, flags } = await this.parse(Pause);
    const engine = await this.openEngine(flags);
    const { pauseContainers } = await import('../core/operations/pause-containers.ts');
    const outcome = await pauseContainers(engine, args.container);
    const isJson = this.jsonEnabled();
    const { status, json } = await printOutcome(outcome, { isDebug: flags.debug, isJson });
    this.exitStatus = status;
    return json;
  }
}
