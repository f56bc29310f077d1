import { BaseCommand } from '../../cli/base-command.ts';
import { formatSize } from '../../cli/humanize.ts';
import { collectionJson } from '../../cli/image-json.ts';
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
    const collection = await collectGarbage(engine, { signal: this.signal });
    if (!flags.quiet && !this.jsonEnabled()) {
      const { removedFiles, freedBytes, removedContainers } = collection;
      writeStderr(`gc: ${removedFiles} file(s) removed, ${formatSize(freedBytes)} freed\n`);
      if (removedContainers > 0) writeStderr(`gc: ${removedContainers} container(s) removed\n`);
    }
    return collectionJson(collection);
  }
}
