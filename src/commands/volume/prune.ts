import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { requireYes } from '../../cli/confirm.ts';
import { formatSize } from '../../cli/humanize.ts';
import { printLine } from '../../cli/output.ts';
import { parsePruneFilters } from '../../cli/parse/volume-filter.ts';
import { volumeRemovalJson } from '../../cli/volume-fields.ts';

/** `dray volume prune`. */
export default class VolumePrune extends BaseCommand {
  static override summary = 'Remove the anonymous volumes, or all, that no container uses';
  static override enableJsonFlag = true;
  static override flags = {
    all: Flags.boolean({ char: 'a', description: 'remove unused volumes with a name, too' }),
    filter: Flags.string({
      description: 'remove only volumes that fit: label=KEY[=VALUE], label!=KEY[=VALUE]',
      helpValue: 'KEY=VALUE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    force: Flags.boolean({ char: 'f', description: 'do not ask' }),
  };

  async run() {
    const { flags } = await this.parse(VolumePrune);
    const filters = parsePruneFilters(flags.filter ?? []);
    const all = flags.all || filters.all;
    const which = all ? 'all volumes' : 'all anonymous volumes';
    requireYes(`This will remove ${which} that no container uses.`, flags);
    const engine = await this.openEngine(flags);
    const { pruneVolumes } = await import('../../core/operations/remove-volumes.ts');
    const { isWanted } = filters;
    const removal = await pruneVolumes(engine, { all, isWanted, signal: this.signal });
    if (!this.jsonEnabled()) {
      if (removal.removed.length > 0) printLine('Deleted Volumes:');
      for (const name of removal.removed) printLine(name);
      if (removal.removed.length > 0) printLine('');
      printLine(`Total reclaimed space: ${formatSize(removal.freedBytes)}`);
    }
    return volumeRemovalJson(removal);
  }
}
