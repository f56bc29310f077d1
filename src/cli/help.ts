/** Help texts, by oclif's formatter over the manifest. */
import type { Config } from '@oclif/core/config';
import { Help } from '@oclif/core/help';
import { findCommand, isTopic, unknownCommand } from './command-lookup.ts';
import { loadManifest } from './manifest.ts';
import { printLine } from './output.ts';
import { isColourWelcome } from './terminal.ts';

/**
 * Prints help for the command or topic that `words` name, or for the whole program.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export async function showHelp(config: Config, words: readonly string[]): Promise<void> {
  const help = new DrayHelp(config, { stripAnsi: !isColourWelcome('stdout') });
  const manifest = await loadManifest();
  const [first] = words;
  const found = findCommand(words, manifest);
  if (found !== undefined) return help.showHelp(found.command.id.split(':'));
  if (first !== undefined && !isTopic(first, manifest)) throw unknownCommand(words, manifest);
  await help.showHelp([...words]);
}

class DrayHelp extends Help {
  /** All commands in one list; oclif would hide those of two words behind their topic. */
  override async showRootHelp(): Promise<void> {
    const commands = this.sortedCommands.filter(({ id, aliases }) => !aliases.includes(id));
    this.log(`${this.formatRoot()}\n\n${this.formatCommands(commands)}\n`);
    this.log('"dray help COMMAND" tells more about one of them.');
  }

  protected override log(...lines: string[]): void {
    for (const line of lines) printLine(line);
  }
}
