import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArg } from '../cli/container-args.ts';
import { printLine } from '../cli/output.ts';
import { processTable } from '../cli/process-fields.ts';
import { tableLines } from '../cli/table.ts';

/** `dray top`. */
export default class Top extends BaseCommand {
  static override summary = 'Show the processes of a container, with their numbers on the host';
  static override description =
    "What follows CONTAINER is for the host's ps(1), which must then show a column PID.";
  static override usage = 'top [FLAGS] CONTAINER [PS OPTION...]';
  static override examples = ['dray top web', 'dray top web -o pid,rss,args'];
  static override enableJsonFlag = true;
  static override stopsAtPositional = true;
  static override args = {
    container: containerArg,
    options: Args.string({ description: 'options of ps', multiple: true, ignoreStdin: true }),
  };

  async run() {
    const { args, flags } = await this.parse(Top);
    const engine = await this.openEngine(flags);
    const operation = await import('../core/operations/container-processes.ts');
    // docker takes them in one word, too.
    const options = (args.options ?? []).flatMap((words) => words.split(/\s+/)).filter(Boolean);
    const table =
      options.length === 0
        ? processTable(operation.containerProcesses(engine, args.container), new Date())
        : await operation.psOfContainer(engine, args.container, { options });
    if (!this.jsonEnabled()) {
      for (const line of await tableLines([table.titles, ...table.rows])) printLine(line);
    }
    return { Titles: table.titles, Processes: table.rows };
  }
}
