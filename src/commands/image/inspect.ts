import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { inspectionJson } from '../../cli/image-json.ts';
import { printJson } from '../../cli/output.ts';

/** `dray image inspect`. */
export default class ImageInspect extends BaseCommand {
  static override summary = 'Print config and manifest of an image as JSON';
  static override enableJsonFlag = true;
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageInspect);
    const engine = await this.openEngine(flags);
    const { inspectImage } = await import('../../core/operations/inspect-image.ts');
    const inspection = inspectionJson(inspectImage(engine, args.image));
    if (!this.jsonEnabled()) printJson(inspection);
    return inspection;
  }
}
