import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { infoData } from '../cli/host-format.ts';
import { hostJson, hostLines } from '../cli/host-report.ts';
import { printLine } from '../cli/output.ts';
import { dataPrinter } from '../cli/template/format-flag.ts';

/** `dray info`. */
export default class Info extends BaseCommand {
  static override summary = 'Show the store, what the kernel offers, and the runtime';
  static override enableJsonFlag = true;

  static override flags = {
    format: Flags.string({
      char: 'f',
      description: "json, or a Go template with docker's fields",
      helpValue: 'FORMAT',
    }),
  };

  async run() {
    const { flags } = await this.parse(Info);
    const format = dataPrinter(flags.format);
    const engine = await this.openEngine(flags);
    const { hostInfo } = await import('../core/operations/host-info.ts');
    const info = await hostInfo(engine);
    if (format !== undefined && !this.jsonEnabled()) {
      const { listContainers } = await import('../core/operations/list-containers.ts');
      printLine(format(infoData(info, listContainers(engine))));
    } else if (!this.jsonEnabled()) for (const line of hostLines(info)) printLine(line);
    return hostJson(info);
  }
}
