import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { printLine, writeStderr } from '../cli/output.ts';
import { registryFlags } from '../cli/registry-flags.ts';
import { EngineError, quote } from '../core/errors.ts';

/** `dray logout`. */
export default class Logout extends BaseCommand {
  static override summary = 'Log out from a registry: forget its credentials';
  static override args = {
    registry: Args.string({
      description: 'HOST[:PORT] of the registry; docker.io when it is left out',
      ignoreStdin: true,
    }),
  };
  static override flags = {
    authfile: registryFlags.authfile,
    all: Flags.boolean({ char: 'a', description: 'forget the credentials of all registries' }),
  };

  async run() {
    const { args, flags } = await this.parse(Logout);
    if (flags.all && args.registry !== undefined) {
      throw new EngineError('USAGE_INVALID', '--all and a registry exclude each other');
    }
    const settings = this.settings(flags);
    const options = { signal: this.signal };
    const operation = await import('../core/operations/registry-login.ts');
    if (flags.all) {
      await operation.logoutFromAll(settings, options);
      printLine('Removed the credentials of all registries');
      return;
    }
    const registry = args.registry ?? 'docker.io';
    const forgotten = await operation.logoutFromRegistry(settings, registry, options);
    for (const file of forgotten.remainingIn) {
      writeStderr(`dray: ${quote(file)} has credentials for it too, and keeps them\n`);
    }
    const done = forgotten.isForgotten ? 'Removed the credentials of' : 'Not logged in to';
    printLine(`${done} ${quote(registry).slice(1, -1)}`);
  }
}
