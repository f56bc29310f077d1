import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { CONTAINER_TITLES, containerJson, containerRow } from '../cli/container-fields.ts';
import { printLine } from '../cli/output.ts';
import { tableLines } from '../cli/table.ts';

/** `dray list`. */
export default class List extends BaseCommand {
  static override summary = 'List containers';
  static override enableJsonFlag = true;
  static override flags = {
    full: Flags.boolean({ description: 'show whole ids and commands' }),
    'no-legend': Flags.boolean({ description: 'leave the line of titles out' }),
    quiet: Flags.boolean({ char: 'q', description: 'print ids only, 12 hex digits of each' }),
  };

  async run() {
    const { flags } = await this.parse(List);
    const engine = await this.openEngine(flags);
    const { listContainers } = await import('../core/operations/list-containers.ts');
    const containers = listContainers(engine);
    if (!this.jsonEnabled()) {
      const style = { isFull: flags.full, now: new Date() };
      const rows = containers.map((container) => containerRow(container, style));
      const titles = flags['no-legend'] ? [] : [CONTAINER_TITLES];
      const lines = flags.quiet
        ? rows.map(([id = '']) => id)
        : await tableLines([...titles, ...rows]);
      for (const line of lines) printLine(line);
    }
    return containers.map(containerJson);
  }
}
