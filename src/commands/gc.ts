import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { printLine } from '../cli/output.ts';
import { parseDuration } from '../cli/parse/durations.ts';

/** `dray gc`. */
export default class Gc extends BaseCommand {
  static override summary =
    'Remove containers that ended a while ago, and what dead ones have left';
  static override description =
    'Images are collected by "dray image gc". Containers that run are never touched.';
  static override enableJsonFlag = true;
  static override flags = {
    'grace-period': Flags.string({
      description: 'how long containers stay after their end',
      helpValue: 'DURATION',
      default: '30m',
    }),
    'expire-prepared': Flags.string({
      description: 'how long containers that were never started stay',
      helpValue: 'DURATION',
      default: '24h',
    }),
  };

  async run() {
    const { flags } = await this.parse(Gc);
    const gracePeriodMs = parseDuration(flags['grace-period'], '--grace-period');
    const expirePreparedMs = parseDuration(flags['expire-prepared'], '--expire-prepared');
    const engine = await this.openEngine(flags);
    const { collectContainers } = await import('../core/operations/collect-containers.ts');
    const removed = await collectContainers(engine, { gracePeriodMs, expirePreparedMs });
    if (!this.jsonEnabled()) {
      for (const id of removed) printLine(`Garbage collecting container "${id}"`);
    }
    return { removed };
  }
}
