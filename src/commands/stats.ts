import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { optionalContainerArgs } from '../cli/container-args.ts';
import { writeStdout } from '../cli/output.ts';
import { STATS_COLUMNS, STATS_TITLES, statsJson, statsRow } from '../cli/stats-fields.ts';
import { tableLines } from '../cli/table.ts';
import { type FormatRow, type ListFormat, parseListFormat } from '../cli/template/format-flag.ts';

const INTERVAL_MS = 1000;
/** Long enough for a share of processor time that means something. */
const SINGLE_INTERVAL_MS = 500;
const HOME_AND_CLEAR = '\u001b[H\u001b[J';

/** `dray stats`. */
export default class Stats extends BaseCommand {
  static override summary = 'Show what containers use of processors, memory, network and disks';
  static override description =
    'Without CONTAINER those that run. Goes on until it is interrupted.';
  static override enableJsonFlag = true;
  static override args = { container: optionalContainerArgs };
  static override flags = {
    all: Flags.boolean({ char: 'a', description: 'show those, too, that do not run' }),
    format: Flags.string({
      description: 'json, a Go template for each line, or "table" and a template',
      helpValue: 'FORMAT',
    }),
    'no-stream': Flags.boolean({ description: 'show one sample and end' }),
    'no-trunc': Flags.boolean({ description: 'show whole ids' }),
  };

  async run() {
    const { args, flags } = await this.parse(Stats);
    const format = flags.format === undefined ? undefined : parseListFormat(flags.format);
    const engine = await this.openEngine(flags);
    const { containerStats } = await import('../core/operations/container-stats.ts');
    const isSingle = flags['no-stream'] || this.jsonEnabled();
    const samples = containerStats(engine, {
      inputs: args.container ?? [],
      all: flags.all,
      intervalMs: isSingle ? SINGLE_INTERVAL_MS : INTERVAL_MS,
      signal: this.signal,
    });
    const clear = isSingle ? '' : await clearSequence();
    for await (const sample of samples) {
      if (this.jsonEnabled()) return sample.map(statsJson);
      const rows = sample.map((stats) => statsRow(stats, flags['no-trunc']));
      const lines = await statsLines(rows, format);
      const isRead = writeStdout(`${clear}${lines.map((line) => `${line}\n`).join('')}`);
      if (isSingle || !isRead) break;
    }
    return [];
  }
}

/** Empty where the cursor cannot be moved: then samples stand below each other. */
async function clearSequence(): Promise<string> {
  const { canRedraw } = await import('../cli/terminal.ts');
  return canRedraw() ? HOME_AND_CLEAR : '';
}

async function statsLines(rows: readonly FormatRow[], format: ListFormat | undefined) {
  if (format !== undefined) return await format.lines(rows, STATS_TITLES);
  const columns = [STATS_TITLES, ...rows].map((row) =>
    STATS_COLUMNS.map((column) => String(row[column])),
  );
  return await tableLines(columns);
}
