import * as Flags from '@oclif/core/flags';
import { archiveInput } from '../../cli/archive-input.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { loadedJson } from '../../cli/image-json.ts';
import { printLine } from '../../cli/output.ts';
import { platformFlag } from '../../cli/platform-flag.ts';
import { withProgress } from '../../cli/progress-view.ts';
import type { LoadedImage } from '../../core/operations/load-images.ts';

/** `dray image load`. */
export default class ImageLoad extends BaseCommand {
  static override summary = 'Load the images of an archive into the store';
  static override aliases = ['load'];
  static override enableJsonFlag = true;
  static override flags = {
    input: Flags.string({
      char: 'i',
      description: 'archive to read instead of standard input',
      helpValue: 'FILE',
    }),
    platform: platformFlag(),
  };

  async run() {
    const { flags } = await this.parse(ImageLoad);
    const engine = await this.openEngine(flags);
    const input = await archiveInput(flags.input);
    const { loadImages } = await import('../../core/operations/load-images.ts');
    const platform = flags.platform === undefined ? {} : { platform: flags.platform };
    // Each as soon as it is stored: a later one may fail.
    const onImage = this.jsonEnabled() ? {} : { onImage: printLoaded };
    const loaded = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      loadImages(engine, input, { ...platform, ...onImage, signal: this.signal, onProgress }),
    );
    return loaded.map(loadedJson);
  }
}

/** docker's lines. */
function printLoaded({ imageId, references }: LoadedImage): void {
  for (const reference of references) printLine(`Loaded image: ${reference}`);
  if (references.length === 0) printLine(`Loaded image ID: ${imageId}`);
}
