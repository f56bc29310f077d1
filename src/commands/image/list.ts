import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import {
  bareImageId,
  FIELD_NAMES,
  FIELDS,
  parseFieldNames,
  sortImages,
} from '../../cli/image-fields.ts';
import { IMAGE_TITLES, imageFormatRow } from '../../cli/image-format.ts';
import { imageJson } from '../../cli/image-json.ts';
import { printLine, writeStderr } from '../../cli/output.ts';
import { noticeLine } from '../../cli/progress-lines.ts';
import { tableLines } from '../../cli/table.ts';
import { parseListFormat } from '../../cli/template/format-flag.ts';
import type { ProgressEvent } from '../../core/progress.ts';

/** `dray image list`. */
export default class ImageList extends BaseCommand {
  static override summary = 'List images';
  static override aliases = ['images'];
  static override enableJsonFlag = true;
  static override flags = {
    format: Flags.string({
      description: 'json, a Go template for each line, or "table" and a template',
      helpValue: 'FORMAT',
    }),
    full: Flags.boolean({
      description: 'show whole ids, bytes, and times in full',
      aliases: ['no-trunc'],
    }),
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
    const format = flags.format === undefined ? undefined : parseListFormat(flags.format);
    const engine = await this.openEngine(flags);
    const { listImages } = await import('../../core/operations/list-images.ts');
    const images = sortImages(listImages(engine, { onProgress: printNotice }), {
      by: flags.sort,
      isDescending: flags.order === 'desc',
    });
    if (format !== undefined && !flags.quiet && !this.jsonEnabled()) {
      const style = { isFull: flags.full, now: new Date() };
      const rows = images.map((image) => imageFormatRow(image, style));
      for (const line of await format.lines(rows, IMAGE_TITLES)) printLine(line);
    } else if (!this.jsonEnabled()) {
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
