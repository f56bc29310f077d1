import { BaseCommand } from '../cli/base-command.ts';
import { containerArgs, printOutcome } from '../cli/container-args.ts';

/** `dray unpause`. */
export default class Unpause extends BaseCommand {
  static override summary = 'Let paused containers go on';
  static override enableJsonFlag = true;
  static override args = { container: containerArgs };

  async run() {
    const { args, flags } = await this.parse(Unpause);
    const engine = await this.openEngine(flags);
    const { unpauseContainers } = await import('../core/operations/pause-containers.ts');
    const outcome = await unpauseContainers(engine, args.container);
    const isJson = this.jsonEnabled();
    const { status, json } = await printOutcome(outcome, { isDebug: flags.debug, isJson });
    this.exitStatus = status;
    return json;
  }
}
