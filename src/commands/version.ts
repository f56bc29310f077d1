import { BaseCommand } from '../cli/base-command.ts';
import { printLine } from '../cli/output.ts';

/** `dray version`. */
export default class Version extends BaseCommand {
  static override summary = 'Show the version of dray and of the Node it runs on';
  static override enableJsonFlag = true;

  async run() {
    await this.parse(Version);
    const { version } = this.config;
    if (!this.jsonEnabled()) printLine(`dray ${version} (node ${process.versions.node})`);
    return { version, node: process.versions.node };
  }
}
