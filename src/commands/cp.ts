import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { withProgress } from '../cli/progress-view.ts';
import { workingDirectory } from '../cli/settings.ts';
import { writeStream } from '../cli/stream-output.ts';

/** `dray cp`. */
export default class Cp extends BaseCommand {
  static override summary = 'Copy files and directories out of a container, or into one';
  static override description = [
    'The container may be running or not. SOURCE/. is what is in a directory; - is a tar on standard',
    'input or output. What is copied belongs to root, but for a tar, and with --archive.',
  ].join(' ');
  static override usage = 'cp [FLAGS] CONTAINER:SOURCE DESTINATION | SOURCE CONTAINER:DESTINATION';
  static override examples = ['dray cp web:/etc/nginx ./conf', 'dray cp - web:/srv < site.tar'];
  static override args = {
    source: Args.string({
      description: 'CONTAINER:PATH, a path, or -',
      required: true,
      ignoreStdin: true,
    }),
    destination: Args.string({
      description: 'a path, CONTAINER:PATH, or -',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    archive: Flags.boolean({ char: 'a', description: 'keep owners and devices' }),
    'follow-link': Flags.boolean({ char: 'L', description: 'copy what a link SOURCE leads to' }),
  };

  async run() {
    const { args, flags } = await this.parse(Cp);
    const { parseCopyPlace } = await import('../core/operations/copy-arguments.ts');
    const { copyFiles } = await import('../core/operations/copy-files.ts');
    const cwd = workingDirectory();
    const places = {
      source: parseCopyPlace(args.source, cwd),
      destination: parseCopyPlace(args.destination, cwd),
    };
    const engine = await this.openEngine(flags);
    await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      copyFiles(engine, places, {
        archive: flags.archive,
        followLink: flags['follow-link'],
        stdin: process.stdin,
        writeTar: (tar) => writeStream(tar, '-'),
        signal: this.signal,
        onProgress,
      }),
    );
  }
}
