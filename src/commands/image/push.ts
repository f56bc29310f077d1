import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { pushedJson } from '../../cli/image-json.ts';
import { printLine } from '../../cli/output.ts';
import { withProgress } from '../../cli/progress-view.ts';
import { registryFlags } from '../../cli/registry-flags.ts';

/** `dray image push`. */
export default class ImagePush extends BaseCommand {
  static override summary = 'Push an image to a registry and print its reference with its digest';
  static override aliases = ['push'];
  static override enableJsonFlag = true;
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
    destination: Args.string({
      description: 'reference to push to; default is the name of the image',
      ignoreStdin: true,
    }),
  };
  static override flags = { ...registryFlags };

  async run() {
    const { args, flags } = await this.parse(ImagePush);
    const engine = await this.openEngine(flags);
    const { pushImage } = await import('../../core/operations/push-image.ts');
    const { signal } = this;
    const to = args.destination === undefined ? {} : { destination: args.destination };
    const image = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      pushImage(engine, args.image, { ...to, signal, onProgress }),
    );
    if (!this.jsonEnabled()) printLine(image.pinnedReference);
    return pushedJson(image);
  }
}
