import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { versionData } from '../cli/host-format.ts';
import { printLine } from '../cli/output.ts';
import { dataPrinter } from '../cli/template/format-flag.ts';

/** `dray version`. */
export default class Version extends BaseCommand {
  static override summary = 'Show the version of dray and of the Node it runs on';
  static override enableJsonFlag = true;

  static override flags = {
    format: Flags.string({
      char: 'f',
      description: "json, or a Go template with docker's fields",
      helpValue: 'FORMAT',
    }),
  };

  async run() {
    const { flags } = await this.parse(Version);
    const format = dataPrinter(flags.format);
    const { version } = this.config;
    const { node } = process.versions;
    if (format !== undefined && !this.jsonEnabled()) printLine(format(versionData(version, node)));
    else if (!this.jsonEnabled()) printLine(`dray ${version} (node ${node})`);
    return { version, node: process.versions.node };
  }
}
