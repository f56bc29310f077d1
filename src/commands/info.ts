import { BaseCommand } from '../cli/base-command.ts';
import { hostJson, hostLines } from '../cli/host-report.ts';
import { printLine } from '../cli/output.ts';

/** `dray info`. */
export default class Info extends BaseCommand {
  static override summary = 'Show the store, what the kernel offers, and the runtime';
  static override enableJsonFlag = true;

  async run() {
    const { flags } = await this.parse(Info);
    const engine = await this.openEngine(flags);
    const { hostInfo } = await import('../core/operations/host-info.ts');
    const info = await hostInfo(engine);
    if (!this.jsonEnabled()) for (const line of hostLines(info)) printLine(line);
    return hostJson(info);
  }
}
