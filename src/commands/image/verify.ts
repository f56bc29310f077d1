import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { EXIT } from '../../cli/exit-status.ts';
import { printLine } from '../../cli/output.ts';
import { openPhaseView } from '../../cli/phase-view.ts';
import { verificationJson, verificationLines } from '../../cli/verification.ts';

/** `dray image verify`. */
export default class ImageVerify extends BaseCommand {
  static override summary =
    'Check every byte of images, all of them unless some are named, and repair what can be';
  static override enableJsonFlag = true;
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id',
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageVerify);
    const engine = await this.openEngine(flags);
    const { verifyImages } = await import('../../core/operations/verify-images.ts');
    const view = await openPhaseView('verifying', { isQuiet: flags.quiet });
    const { signal } = this;
    const results = await verifyImages(engine, args.image ?? [], {
      signal,
      onProgress: view.onProgress,
    }).finally(() => view[Symbol.dispose]());
    const isDamaged = results.some(({ problems }) => problems.some((one) => !one.isRepaired));
    if (isDamaged) this.exitStatus = EXIT.failure;
    if (!this.jsonEnabled()) for (const line of verificationLines(results)) printLine(line);
    return results.map(verificationJson);
  }
}
