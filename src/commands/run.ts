import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { printLine } from '../cli/output.ts';
import { openProgressView } from '../cli/progress-view.ts';
import { parseRunFlags, runFlags } from '../cli/run-flags.ts';
import { callerEnvironment, workingDirectory } from '../cli/settings.ts';
import { withUsableTerminal } from '../cli/tty-flag.ts';

/** `dray run`. */
export default class Run extends BaseCommand {
  static override summary = 'Run a command in a new container and end with its exit status';
  static override description = [
    'The image is fetched when it is missing. Flags stand before IMAGE; what follows it reaches the',
    'container untouched. It joins the network "default": the outside can be reached from it, and it',
    'only by what --publish lets in.',
  ].join(' ');
  static override usage = 'run [FLAGS] IMAGE [COMMAND [ARG...]]';
  static override examples = [
    'dray run --rm busybox echo hello',
    'dray run --rm -it -v "$PWD":/work -w /work debian bash',
    'dray run -d --name web --publish 8080:80 --restart on-failure nginx',
  ];
  static override stopsAtPositional = true;
  static override sweepsLater = true;
  static override args = {
    image: Args.string({
      description: 'reference, image id, or oci:DIR, oci-archive:FILE, docker-archive:FILE',
      required: true,
      ignoreStdin: true,
    }),
    command: Args.string({
      description: "command and arguments, instead of the image's",
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    ...runFlags,
    detach: Flags.boolean({
      char: 'd',
      description: 'print the id and return when it runs; see "dray logs"',
      default: false,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Run);
    const parsed = parseRunFlags(flags, args.image, args.command ?? [], {
      env: callerEnvironment(),
      cwd: workingDirectory(),
    });
    const options = flags.detach ? parsed : await withUsableTerminal(parsed);
    const engine = await this.openEngine(flags);
    using view = openProgressView({ isQuiet: options.quiet });
    const hooks = { signal: this.signal, onProgress: view.onProgress };
    if (flags.detach) {
      const { runDetachedContainer } = await import('../core/operations/start-containers.ts');
      printLine(await runDetachedContainer(engine, options, hooks));
      return;
    }
    const { runContainer } = await import('../core/operations/run-container.ts');
    const { status } = await runContainer(engine, options, { ...hooks, signals: this.signals });
    this.exitStatus = status;
  }
}
