import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { printLine } from '../../cli/output.ts';

/** `dray trust rm`. */
export default class TrustRm extends BaseCommand {
  static override summary = 'Remove the rule of a prefix';
  static override enableJsonFlag = true;
  static override flags = {
    prefix: Flags.string({
      description: 'what the rule is for',
      helpValue: 'PREFIX',
      required: true,
    }),
  };

  async run() {
    const { flags } = await this.parse(TrustRm);
    const { removeTrustRule } = await import('../../core/operations/trust-policy.ts');
    const settings = this.settings(flags);
    const prefix = await removeTrustRule(settings, flags.prefix);
    if (!this.jsonEnabled()) printLine(prefix);
    return { prefix };
  }
}
