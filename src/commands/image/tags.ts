import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { printLine } from '../../cli/output.ts';
import { withProgress } from '../../cli/progress-view.ts';
import { registryFlags } from '../../cli/registry-flags.ts';

/** `dray image tags`. */
export default class ImageTags extends BaseCommand {
  static override summary = 'List the tags that a registry has of a repository';
  static override enableJsonFlag = true;
  static override args = {
    repository: Args.string({
      description: '[REGISTRY/]REPOSITORY',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = { ...registryFlags };

  async run() {
    const { args, flags } = await this.parse(ImageTags);
    const { listRemoteTags } = await import('../../core/operations/remote-image.ts');
    const { signal } = this;
    const { repository, tags } = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      listRemoteTags(this.settings(flags), args.repository, { signal, onProgress }),
    );
    if (!this.jsonEnabled()) for (const tag of tags) printLine(tag);
    return { name: repository, tags };
  }
}
