import { BaseCommand } from '../../cli/base-command.ts';
import { formatSize } from '../../cli/humanize.ts';
import { writeStderr } from '../../cli/output.ts';

/** `dray image gc`. */
export default class ImageGc extends BaseCommand {
  static override summary =
    'Remove what no name, container or running fetch needs, and dead containers';
  static override enableJsonFlag = true;

  async run() {
    const { flags } = await this.parse(ImageGc);
    const engine = await this.openEngine(flags);
    const { collectGarbage } = await import('../../core/operations/collect-garbage.ts');
    const { removedFiles, freedBytes, containers } = await collectGarbage(engine);
    if (!flags.quiet && !this.jsonEnabled()) {
      writeStderr(`gc: ${removedFiles} file(s) removed, ${formatSize(freedBytes)} freed\n`);
      if (containers > 0) writeStderr(`gc: ${containers} dead container(s) removed\n`);
    }
    return { removed_files: removedFiles, freed_bytes: freedBytes, containers };
  }
}
