import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { printJson } from '../../cli/output.ts';
import { volumeInspection } from '../../cli/volume-fields.ts';

/** `dray volume inspect`. */
export default class VolumeInspect extends BaseCommand {
  static override summary = 'Print what volumes are, as JSON';
  static override enableJsonFlag = true;
  static override args = {
    volume: Args.string({
      description: 'name of a volume',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(VolumeInspect);
    const engine = await this.openEngine(flags);
    const { inspectVolumes } = await import('../../core/operations/list-volumes.ts');
    const inspections = inspectVolumes(engine, args.volume).map(volumeInspection);
    if (!this.jsonEnabled()) printJson(inspections);
    return inspections;
  }
}
