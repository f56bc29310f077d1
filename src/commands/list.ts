import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { containerJson } from '../cli/container-fields.ts';
import { containerLines } from '../cli/container-lines.ts';
import { printLine } from '../cli/output.ts';
import { parseContainerFilters } from '../cli/parse/container-filter.ts';
import { parseTail } from '../cli/parse/quantities.ts';
import { parseListFormat } from '../cli/template/format-flag.ts';

/** docker's fields that need the mounts of containers. */
const MOUNT_FIELDS = ['Mounts', 'LocalVolumes'];

const UP = ['running', 'paused', 'restarting'];

/** `dray list`. */
export default class List extends BaseCommand {
  static override summary = 'List containers, those that do not run, too';
  static override enableJsonFlag = true;
  static override flags = {
    all: Flags.boolean({ char: 'a', description: 'show those, too, that do not run' }),
    filter: Flags.string({
      char: 'f',
      description:
        'show only those that fit: ancestor=, before=, exited=, health=, id=, label=KEY[=VALUE], name=, network=, since=, status=, volume=',
      helpValue: 'KEY=VALUE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    format: Flags.string({
      description: 'json, a Go template for each line, or "table" and a template',
      helpValue: 'FORMAT',
    }),
    last: Flags.string({
      char: 'n',
      description: 'show the last so many that were created, whatever their state',
      helpValue: 'N',
    }),
    latest: Flags.boolean({ char: 'l', description: 'the same as --last 1' }),
    'no-legend': Flags.boolean({ description: 'leave the line of titles out' }),
    'no-trunc': Flags.boolean({ description: 'show whole ids and commands', aliases: ['full'] }),
    quiet: Flags.boolean({ char: 'q', description: 'print ids only, 12 hex digits of each' }),
    size: Flags.boolean({ char: 's', description: 'show how much of the disk they take' }),
  };

  /** Whether those that do not run are shown without being asked for. */
  static showsAll = true;

  async run() {
    const { flags } = await this.parse(List);
    const filters = parseContainerFilters(flags.filter ?? []);
    const format = flags.format === undefined ? undefined : parseListFormat(flags.format);
    const last = flags.latest ? 1 : lastOf(flags.last);
    const showsAll = (this.ctor as typeof List).showsAll || flags.all || last !== undefined;
    const engine = await this.openEngine(flags);
    const now = new Date();
    const { listContainers } = await import('../core/operations/list-containers.ts');
    const { imageDescendants } = await import('../core/operations/image-descendants.ts');
    const everyone = listContainers(engine, {
      withMounts: filters.needsMounts || MOUNT_FIELDS.some((field) => format?.uses(field)),
      withSizes: flags.size,
    });
    const images = filters.ancestors.flatMap((input) => [...imageDescendants(engine, input)]);
    const containers = filters
      .apply(everyone, new Set(images))
      .filter(({ phase }) => showsAll || filters.wantsAll || UP.includes(phase))
      .toReversed()
      .slice(0, last);
    if (!this.jsonEnabled()) {
      const view = { ...flags, isFull: flags['no-trunc'], hasTitles: !flags['no-legend'], now };
      for (const line of await containerLines(containers, view, format)) printLine(line);
    }
    return containers.map(containerJson);
  }
}

function lastOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseTail(text, '--last');
}
