/** From a command line to an exit status. */
import type { Manifest } from '@oclif/core/interfaces';
import { CliConfig } from './cli-config.ts';
import { loadCommand } from './command-table.ts';
import { asEngineError, type ReportOptions, reportError } from './error-report.ts';
import { EXIT, exitStatusOf } from './exit-status.ts';
import { commandIn, type Invocation, readInvocation } from './invocation.ts';
import { loadManifest } from './manifest.ts';

/**
 * Runs the command line `argv` (without interpreter and script) and resolves to its exit status.
 * Never rejects; whatever goes wrong has been printed.
 */
export async function dispatch(argv: readonly string[]): Promise<number> {
  const manifest = await loadManifest();
  let invocation: Invocation | undefined;
  try {
    invocation = readInvocation(argv, manifest);
    return await perform(invocation, manifest);
  } catch (thrown) {
    const id = commandIn(argv, manifest);
    const error = asEngineError(thrown);
    const read = invocation?.kind === 'command' ? invocation.argv : argv;
    await reportError(error, reportOptions(id, read, manifest));
    return exitStatusOf(error, id);
  }
}

async function perform(invocation: Invocation, manifest: Manifest): Promise<number> {
  const config = new CliConfig(manifest);
  if (invocation.kind === 'command') {
    const command = await loadCommand(invocation.id);
    return command.execute(invocation.argv, config);
  }
  const { showHelp } = await import('./help.ts');
  await showHelp(config, invocation.words);
  return EXIT.success;
}

function reportOptions(
  id: string | undefined,
  argv: readonly string[],
  manifest: Manifest,
): ReportOptions {
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  const hasJson = id !== undefined && manifest.commands[id]?.flags.json !== undefined;
  return {
    isJson: hasJson && flags.includes('--json'),
    isDebug: flags.includes('--debug'),
    command: id?.replaceAll(':', ' '),
  };
}
