import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { printLine } from '../../cli/output.ts';
import { parseMetadata } from '../../cli/parse/key-values.ts';

/** `dray volume create`. */
export default class VolumeCreate extends BaseCommand {
  static override summary = 'Make a volume, unless there is one of this name, and print its name';
  static override enableJsonFlag = true;
  static override args = {
    name: Args.string({ description: 'made up when left out', ignoreStdin: true }),
  };
  static override flags = {
    driver: Flags.option({ options: ['local'] as const, default: 'local' as const })({
      char: 'd',
      description: 'where volumes are kept; local is the only one',
    }),
    label: Flags.string({
      description: 'label the volume',
      helpValue: 'KEY=VALUE',
      multiple: true,
      multipleNonGreedy: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(VolumeCreate);
    const labels = Object.fromEntries(parseMetadata(flags.label ?? [], '--label'));
    const engine = await this.openEngine(flags);
    const { createVolume } = await import('../../core/operations/create-volume.ts');
    const { name } = await createVolume(engine, {
      ...(args.name === undefined ? {} : { name: args.name }),
      labels,
      signal: this.signal,
    });
    if (!this.jsonEnabled()) printLine(name);
    return { name };
  }
}
