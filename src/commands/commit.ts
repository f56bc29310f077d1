import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { formatImageId } from '../cli/image-fields.ts';

import { printLine } from '../cli/output.ts';
import { withProgress } from '../cli/progress-view.ts';

/** `dray commit`. */
export default class Commit extends BaseCommand {
  static override summary = 'Make an image from what a container changed, and print its id';
  static override description =
    'A running container is paused meanwhile, unless --pause=false. Volumes are not part of the image.';
  static override examples = [
    `dray commit -m 'with curl' -c 'CMD ["curl"]' box registry.example/box:2`,
  ];
  static override enableJsonFlag = true;
  static override args = {
    container: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
    name: Args.string({ description: 'reference of the new image', ignoreStdin: true }),
  };
  static override flags = {
    author: Flags.string({ char: 'a', description: 'who made it', helpValue: 'TEXT' }),
    message: Flags.string({ char: 'm', description: 'comment in the history', helpValue: 'TEXT' }),
    change: Flags.string({
      char: 'c',
      description: 'Dockerfile instruction for the image config',
      helpValue: 'INSTRUCTION',
      multiple: true,
      multipleNonGreedy: true,
    }),
    pause: Flags.boolean({
      char: 'p',
      description: 'pause a running container meanwhile; --pause=false does not',
      allowNo: true,
      default: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Commit);
    const { commitContainer } = await import('../core/operations/commit-container.ts');
    const engine = await this.openEngine(flags);
    const image = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      commitContainer(engine, args.container, {
        ...(args.name === undefined ? {} : { name: args.name }),
        ...(flags.author === undefined ? {} : { author: flags.author }),
        ...(flags.message === undefined ? {} : { message: flags.message }),
        changes: flags.change ?? [],
        pause: flags.pause,
        signal: this.signal,
        onProgress,
      }),
    );
    if (!this.jsonEnabled()) printLine(formatImageId(image.imageId));
    return image;
  }
}
