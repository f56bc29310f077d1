import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { archiveInput } from '../../cli/archive-input.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { formatImageId } from '../../cli/image-fields.ts';
import { importedJson } from '../../cli/image-json.ts';
import { printLine } from '../../cli/output.ts';
import { configText } from '../../cli/parse/image-config.ts';
import { platformFlag } from '../../cli/platform-flag.ts';
import { withProgress } from '../../cli/progress-view.ts';

/** `dray image import`. */
export default class ImageImport extends BaseCommand {
  static override summary = 'Make an image from the tar of a root file system and print its id';
  static override aliases = ['import'];
  static override enableJsonFlag = true;
  static override args = {
    tar: Args.string({
      description: 'tar, plain or compressed with gzip or zstd; - is standard input',
      required: true,
      ignoreStdin: true,
    }),
    name: Args.string({ description: 'name of the image', required: true, ignoreStdin: true }),
  };
  static override flags = {
    change: Flags.string({
      char: 'c',
      description: 'Dockerfile instruction for the config, such as \'CMD ["sh"]\'',
      multiple: true,
      helpValue: 'INSTRUCTION',
    }),
    config: Flags.string({
      description: 'image config, as JSON or as a file that holds it',
      helpValue: 'FILE|JSON',
    }),
    message: Flags.string({ char: 'm', description: 'comment in the history', helpValue: 'TEXT' }),
    platform: platformFlag({ description: "platform of the image; default is the host's" }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageImport);
    const { platform, message } = flags;
    const options = {
      name: args.name,
      changes: flags.change ?? [],
      signal: this.signal,
      ...(flags.config === undefined ? {} : { config: configText(flags.config) }),
      ...(message === undefined ? {} : { message }),
      ...(platform === undefined ? {} : { platform }),
    };
    const engine = await this.openEngine(flags);
    const input = await archiveInput(args.tar);
    const { importImage } = await import('../../core/operations/import-image.ts');
    const image = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      importImage(engine, input, { ...options, onProgress }),
    );
    if (!this.jsonEnabled()) printLine(formatImageId(image.imageId));
    return importedJson(image);
  }
}
