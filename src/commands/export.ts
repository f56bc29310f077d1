import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { writeStream } from '../cli/stream-output.ts';

/** `dray export`. */
export default class Export extends BaseCommand {
  static override summary = 'Write the root file system of a container as a tar';
  static override description =
    'It may be running or not; volumes and other mounts are left out. Standard output must not be a terminal.';
  static override examples = ['dray export web -o web.tar', 'dray export web | tar -t'];
  static override args = {
    container: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    output: Flags.string({
      char: 'o',
      description: 'file to write instead of standard output',
      helpValue: 'FILE',
      default: '-',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Export);
    const engine = await this.openEngine(flags);
    const { exportContainer } = await import('../core/operations/export-container.ts');
    const bytes = exportContainer(engine, args.container, { signal: this.signal });
    await writeStream(bytes, flags.output);
  }
}
