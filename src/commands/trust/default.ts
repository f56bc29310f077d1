import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { keyFlag, RULE_TYPES, ruleFromFlags, signedAsFlag } from '../../cli/trust-rule.ts';

/** `dray trust default`. */
export default class TrustDefault extends BaseCommand {
  static override summary = 'Say which images may be used that no prefix is for';
  static override description =
    'With "unset" dray has no default of its own: /etc/containers/policy.json decides, and where it is missing every image is accepted.';
  static override enableJsonFlag = true;
  static override args = {
    type: Args.option({ options: [...RULE_TYPES, 'unset'] as const })({
      description: 'insecure, reject, cosign or unset',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = { key: keyFlag(), 'signed-as': signedAsFlag() };

  async run() {
    const { args, flags } = await this.parse(TrustDefault);
    const { setTrustDefault } = await import('../../core/operations/trust-policy.ts');
    const { type } = args;
    const rule =
      type === 'unset' ? undefined : ruleFromFlags(type, flags.key ?? [], flags['signed-as']);
    const settings = this.settings(flags);
    await setTrustDefault(settings, rule);
    return { type };
  }
}
