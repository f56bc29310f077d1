import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArg } from '../cli/container-args.ts';
import { writeStderrBytes, writeStdout } from '../cli/output.ts';
import { parseMoment } from '../cli/parse/durations.ts';
import { parseTail } from '../cli/parse/quantities.ts';

/** `dray logs`. */
export default class Logs extends BaseCommand {
  static override summary = 'Show what a detached container wrote';
  static override description =
    'Its stdout goes to ours and its stderr to ours, byte for byte. Times are those of this machine.';
  static override args = { container: containerArg };
  static override flags = {
    follow: Flags.boolean({
      char: 'f',
      description: 'go on until the container is over',
      default: false,
    }),
    tail: Flags.string({
      char: 'n',
      description: 'begin with the last so many lines, or "all"',
      helpValue: 'N',
      default: 'all',
    }),
    since: Flags.string({ description: 'what was written since then', helpValue: 'TIME|SPAN' }),
    until: Flags.string({ description: 'what was written before', helpValue: 'TIME|SPAN' }),
    timestamps: Flags.boolean({
      char: 't',
      description: 'begin each line with its time',
      default: false,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Logs);
    const now = new Date();
    const tail = parseTail(flags.tail, '--tail');
    const engine = await this.openEngine(flags);
    const { containerLogs } = await import('../core/operations/container-logs.ts');
    const query = {
      withTimes: flags.timestamps,
      follow: flags.follow,
      signal: this.signal,
      ...(tail === undefined ? {} : { tail }),
      ...(flags.since === undefined ? {} : { since: parseMoment(flags.since, '--since', now) }),
      ...(flags.until === undefined ? {} : { until: parseMoment(flags.until, '--until', now) }),
    };
    await containerLogs(engine, args.container, query, (stream, bytes) =>
      stream === 'stdout' ? writeStdout(bytes) : writeStderrBytes(bytes),
    );
  }
}
