import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { printLine } from '../../cli/output.ts';
import { keyFlag, RULE_TYPES, ruleFromFlags, signedAsFlag } from '../../cli/trust-rule.ts';

/** `dray trust add`. */
export default class TrustAdd extends BaseCommand {
  static override summary = 'Say which images of a registry or a repository may be used';
  static override description = [
    'PREFIX is a registry, a namespace, a repository, or "*.DOMAIN"; the longest that fits decides.',
    'The rule takes the place of the one that the prefix has. With --key its type is cosign.',
  ].join(' ');
  static override examples = [
    'dray trust add --prefix quay.io/team --key cosign.pub',
    'dray trust add --prefix registry.example.com --type reject',
  ];
  static override enableJsonFlag = true;
  static override flags = {
    prefix: Flags.string({
      description: 'what the rule is for',
      helpValue: 'PREFIX',
      required: true,
    }),
    type: Flags.option({ options: RULE_TYPES })({
      description: 'accept every image, none, or those that a key has signed',
    }),
    key: keyFlag(),
    'signed-as': signedAsFlag(),
  };

  async run() {
    const { flags } = await this.parse(TrustAdd);
    const { setTrustRule } = await import('../../core/operations/trust-policy.ts');
    const rule = ruleFromFlags(flags.type ?? 'cosign', flags.key ?? [], flags['signed-as']);
    const settings = this.settings(flags);
    const prefix = await setTrustRule(settings, flags.prefix, rule);
    if (!this.jsonEnabled()) printLine(prefix);
    return { prefix, type: rule.type };
  }
}
