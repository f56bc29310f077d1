import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { reportError } from '../../cli/error-report.ts';
import { EXIT } from '../../cli/exit-status.ts';
import { printLine } from '../../cli/output.ts';
import { volumeRemovalJson } from '../../cli/volume-fields.ts';

/** `dray volume rm`. */
export default class VolumeRm extends BaseCommand {
  static override summary = 'Remove volumes with their content, unless a container uses them';
  static override aliases = ['volume:remove'];
  static override enableJsonFlag = true;
  static override args = {
    volume: Args.string({
      description: 'name of a volume',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    force: Flags.boolean({ char: 'f', description: 'do not mind names that no volume has' }),
  };

  async run() {
    const { args, flags } = await this.parse(VolumeRm);
    const engine = await this.openEngine(flags);
    const { removeVolumes } = await import('../../core/operations/remove-volumes.ts');
    const { force } = flags;
    const removal = await removeVolumes(engine, args.volume, { force, signal: this.signal });
    if (removal.failures.length > 0) this.exitStatus = EXIT.failure;
    if (!this.jsonEnabled()) {
      for (const name of removal.removed) printLine(name);
      for (const { error } of removal.failures) {
        await reportError(error, { isDebug: flags.debug, isJson: false });
      }
    }
    return volumeRemovalJson(removal);
  }
}
