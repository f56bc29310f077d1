import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { printLine } from '../../cli/output.ts';
import { tableLines } from '../../cli/table.ts';
import { RULE_TITLES, ruleJson, ruleRow } from '../../cli/trust-rule.ts';

/** `dray trust list`. */
export default class TrustList extends BaseCommand {
  static override summary = 'List the rules that decide which images may be used';
  static override enableJsonFlag = true;
  static override flags = {
    'no-legend': Flags.boolean({ description: 'leave the line of titles out' }),
  };

  async run() {
    const { flags } = await this.parse(TrustList);
    const { listTrustRules } = await import('../../core/operations/trust-policy.ts');
    const settings = this.settings(flags);
    const rules = listTrustRules(settings);
    if (!this.jsonEnabled()) {
      const titles = flags['no-legend'] ? [] : [RULE_TITLES];
      for (const line of await tableLines([...titles, ...rules.map(ruleRow)])) printLine(line);
    }
    return rules.map(ruleJson);
  }
}
