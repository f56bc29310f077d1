import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { writeStream } from '../../cli/stream-output.ts';

/** `dray image save`. */
export default class ImageSave extends BaseCommand {
  static override summary = 'Write images as one archive that docker, podman and skopeo read';
  static override aliases = ['save'];
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    output: Flags.string({
      char: 'o',
      description: 'file to write instead of standard output',
      helpValue: 'FILE',
      default: '-',
    }),
    format: Flags.option({ options: ['oci-archive', 'docker-archive'] as const })({
      description: 'one kind of archive; default is one that is both',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageSave);
    const engine = await this.openEngine(flags);
    const { saveImages } = await import('../../core/operations/save-images.ts');
    const format = flags.format === undefined ? {} : { format: flags.format };
    const archive = saveImages(engine, args.image, { ...format, signal: this.signal });
    await writeStream(archive, flags.output);
  }
}
