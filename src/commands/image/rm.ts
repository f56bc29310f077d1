import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { EXIT } from '../../cli/exit-status.ts';
import { printRemoval, removalJson } from '../../cli/removal.ts';

/** `dray image rm`. */
export default class ImageRm extends BaseCommand {
  static override summary =
    'Remove images by name, id, or the beginning of an id; one with several names loses the name';
  static override aliases = ['rmi'];
  static override enableJsonFlag = true;
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageRm);
    const engine = await this.openEngine(flags);
    const { removeImages } = await import('../../core/operations/remove-images.ts');
    const removal = await removeImages(engine, args.image);
    if (removal.failures.length > 0) this.exitStatus = EXIT.failure;
    if (!this.jsonEnabled()) await printRemoval(removal, { isDebug: flags.debug });
    return removalJson(removal);
  }
}
