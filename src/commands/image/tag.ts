import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';

/** `dray image tag`. */
export default class ImageTag extends BaseCommand {
  static override summary = 'Give an image more names; an image that had such a name loses it';
  static override aliases = ['tag'];
  static override args = {
    source: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
    target: Args.string({
      description: '[REGISTRY/]REPOSITORY[:TAG]',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageTag);
    const engine = await this.openEngine(flags);
    const { tagImage } = await import('../../core/operations/tag-image.ts');
    await tagImage(engine, args.source, args.target, { signal: this.signal });
  }
}
