import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { printLine } from '../../cli/output.ts';
import { parseListFilters } from '../../cli/parse/volume-filter.ts';
import { tableLines } from '../../cli/table.ts';
import { parseListFormat } from '../../cli/template/format-flag.ts';
import {
  VOLUME_FIELD_TITLES,
  VOLUME_TITLES,
  volumeJson,
  volumeListing,
  volumeRow,
} from '../../cli/volume-fields.ts';

/** `dray volume list`. */
export default class VolumeList extends BaseCommand {
  static override summary = 'List volumes';
  static override aliases = ['volume:ls'];
  static override enableJsonFlag = true;
  static override flags = {
    filter: Flags.string({
      char: 'f',
      description: 'show only volumes that fit: dangling=true|false, name=, label=KEY[=VALUE]',
      helpValue: 'KEY=VALUE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    format: Flags.string({
      description: 'json, a Go template for each line, or "table" and a template',
      helpValue: 'FORMAT',
    }),
    'no-legend': Flags.boolean({ description: 'leave the line of titles out' }),
    quiet: Flags.boolean({ char: 'q', description: 'print names only' }),
  };

  async run() {
    const { flags } = await this.parse(VolumeList);
    const isWanted = parseListFilters(flags.filter ?? []);
    const format = flags.format === undefined ? undefined : parseListFormat(flags.format);
    const engine = await this.openEngine(flags);
    const { listVolumes } = await import('../../core/operations/list-volumes.ts');
    const volumes = listVolumes(engine).filter(isWanted);
    if (format !== undefined && !flags.quiet && !this.jsonEnabled()) {
      const rows = volumes.map(volumeListing);
      for (const line of await format.lines(rows, VOLUME_FIELD_TITLES)) printLine(line);
    } else if (!this.jsonEnabled()) {
      const now = new Date();
      const titles = flags['no-legend'] ? [] : [VOLUME_TITLES];
      const rows = volumes.map((volume) => volumeRow(volume, now));
      const lines = flags.quiet
        ? volumes.map(({ name }) => name)
        : await tableLines([...titles, ...rows]);
      for (const line of lines) printLine(line);
    }
    return volumes.map(volumeJson);
  }
}
