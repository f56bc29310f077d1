import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { formatImageId } from '../cli/image-fields.ts';
import { fetchedJson } from '../cli/image-json.ts';
import { ignoresSignatures, insecureOptionsFlag } from '../cli/insecure-options.ts';
import { printLine } from '../cli/output.ts';
import { platformFlag } from '../cli/platform-flag.ts';
import { withProgress } from '../cli/progress-view.ts';
import { registryFlags } from '../cli/registry-flags.ts';

/** `dray fetch`. */
export default class Fetch extends BaseCommand {
  static override summary = 'Fetch images into the store and print their ids';
  static override aliases = ['pull'];
  static override enableJsonFlag = true;
  static override args = {
    image: Args.string({
      description: 'reference, or oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    ...registryFlags,
    platform: platformFlag(),
    'insecure-options': insecureOptionsFlag(),
    'pull-policy': Flags.option({
      options: ['new', 'update', 'never'] as const,
      default: 'update' as const,
    })({ description: 'fetch only what is missing, also what has changed, or nothing' }),
  };

  async run() {
    const { args, flags } = await this.parse(Fetch);
    const { fetchImage } = await import('../core/operations/fetch-image.ts');
    const platform = flags.platform === undefined ? {} : { platform: flags.platform };
    const engine = await this.openEngine(flags);
    const fetched = [];
    for (const source of args.image) {
      const options = {
        ...platform,
        pullPolicy: flags['pull-policy'],
        ignoresSignatures: ignoresSignatures(flags['insecure-options']),
        signal: this.signal,
      };
      const image = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
        fetchImage(engine, source, { ...options, onProgress }),
      );
      if (!this.jsonEnabled()) printLine(formatImageId(image.imageId));
      fetched.push(fetchedJson(image));
    }
    return fetched;
  }
}
