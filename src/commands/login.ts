import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { askForLogin, type LoginFlags } from '../cli/login-input.ts';
import { printLine, writeStderr } from '../cli/output.ts';
import { withProgress } from '../cli/progress-view.ts';
import { registryFlags } from '../cli/registry-flags.ts';

/** `dray login`. */
export default class Login extends BaseCommand {
  static override summary = 'Log in to a registry: check a user name and a password, and keep them';
  static override args = {
    registry: Args.string({
      description: 'HOST[:PORT] of the registry; docker.io when it is left out',
      default: 'docker.io',
      ignoreStdin: true,
    }),
  };
  static override flags = {
    ...registryFlags,
    username: Flags.string({ char: 'u', description: 'user name' }),
    password: Flags.string({
      char: 'p',
      description: 'password; others can see it in the list of processes',
    }),
    'password-stdin': Flags.boolean({ description: 'read the password from standard input' }),
  };

  async run() {
    const { args, flags } = await this.parse(Login);
    const { registry } = args;
    const settings = this.settings(flags);
    const { loginToRegistry, tryKeptLogin } = await import('../core/operations/registry-login.ts');
    const view = { isQuiet: flags.quiet };
    const { signal } = this;
    if (isToAsk(flags)) {
      const tried = await withProgress(view, (onProgress) =>
        tryKeptLogin(settings, registry, { signal, onProgress }),
      );
      if (tried !== 'none' && !flags.quiet) writeStderr(`dray: ${WORDS[tried]}\n`);
      if (tried === 'taken') return printLine('Login Succeeded');
    }
    const { username, password } = await askForLogin(flags, signal);
    const kept = await withProgress(view, (onProgress) =>
      loginToRegistry(settings, { registry, username, password }, { signal, onProgress }),
    );
    if (kept.helper === undefined && !flags.quiet) {
      writeStderr(`dray: the credentials are kept unencrypted in ${kept.file}\n`);
    }
    printLine('Login Succeeded');
  }
}

const WORDS = {
  taken: 'the credentials that are kept already are taken',
  refused: 'the credentials that are kept are refused',
} as const;

/** Whether nothing of what a login needs is given. */
function isToAsk(flags: LoginFlags): boolean {
  const { username, password } = flags;
  return username === undefined && password === undefined && !flags['password-stdin'];
}
