import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { writeStream } from '../../cli/stream-output.ts';

/** `dray image export`. */
export default class ImageExport extends BaseCommand {
  static override summary = 'Write the root file system of an image as a tar, without running it';
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
    file: Args.string({
      description: 'file to write, or - for standard output',
      required: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageExport);
    const engine = await this.openEngine(flags);
    const { exportImage } = await import('../../core/operations/export-image.ts');
    await writeStream(exportImage(engine, args.image, { signal: this.signal }), args.file);
  }
}
