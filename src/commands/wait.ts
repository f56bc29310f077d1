import { BaseCommand } from '../cli/base-command.ts';
import { containerArgs, printFailures } from '../cli/container-args.ts';
import { EXIT } from '../cli/exit-status.ts';
import { printLine } from '../cli/output.ts';

/** What is printed for a container that never ran. */
const NEVER_RAN = 0;

/** `dray wait`. */
export default class Wait extends BaseCommand {
  static override summary = 'Wait until containers are over and print their exit statuses';
  static override args = { container: containerArgs };

  async run() {
    const { args, flags } = await this.parse(Wait);
    const engine = await this.openEngine(flags);
    const { waitForContainers } = await import('../core/operations/stop-containers.ts');
    const outcome = await waitForContainers(engine, args.container, { signal: this.signal });
    for (const { result } of outcome.done) printLine(String(result.exit?.status ?? NEVER_RAN));
    await printFailures(outcome.failures, flags.debug);
    if (outcome.failures.length > 0) this.exitStatus = EXIT.failure;
  }
}
