import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import {
  bareImageId,
  FIELD_NAMES,
  FIELDS,
  parseFieldNames,
  sortImages,
} from '../../cli/image-fields.ts';
import { imageJson } from '../../cli/image-json.ts';
import { printLine, writeStderr } from '../../cli/output.ts';
import { noticeLine } from '../../cli/progress-lines.ts';
import { tableLines } from '../../cli/table.ts';
import type { ProgressEvent } from '../../core/progress.ts';

/** `dray image list`. */
export default class ImageList extends BaseCommand {
  static override summary = 'List images';
  static override aliases = ['images'];
  static override enableJsonFlag = true;
  static override flags = {
    full: Flags.boolean({ description: 'show whole ids, bytes, and times in full' }),
    'no-legend': Flags.boolean({ description: 'leave the line of titles out' }),
    fields: Flags.string({
      description: 'show these columns in this order',
      helpValue: 'NAME,…',
      default: FIELD_NAMES.join(','),
    }),
    sort: Flags.option({ options: FIELD_NAMES, default: 'importtime' as const })({
      description: 'sort by this column',
    }),
    order: Flags.option({ options: ['asc', 'desc'] as const, default: 'asc' as const })({
      description: 'ascending or descending',
    }),
    quiet: Flags.boolean({ char: 'q', description: 'print ids only, 12 hex digits of each' }),
  };

  async run() {
    const { flags } = await this.parse(ImageList);
    const engine = await this.openEngine(flags);
    const { listImages } = await import('../../core/operations/list-images.ts');
    const images = sortImages(listImages(engine, { onProgress: printNotice }), {
      by: flags.sort,
      isDescending: flags.order === 'desc',
    });
    if (!this.jsonEnabled()) {
      const fields = parseFieldNames(flags.fields);
      const style = { isFull: flags.full, now: new Date() };
      const ids = new Set(images.map(({ imageId }) => bareImageId(imageId, style)));
      const titles = flags['no-legend'] ? [] : [fields.map((name) => FIELDS[name].title)];
      const rows = images.map((image) => fields.map((name) => FIELDS[name].cell(image, style)));
      const lines = flags.quiet ? [...ids] : await tableLines([...titles, ...rows]);
      for (const line of lines) printLine(line);
    }
    return images.map(imageJson);
  }
}

function printNotice(event: ProgressEvent): void {
  const line = noticeLine(event);
  if (line !== undefined) writeStderr(`${line}\n`);
}
