import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { printLine } from '../cli/output.ts';
import { escapeControls } from '../core/errors.ts';

const LETTERS = { added: 'A', changed: 'C', deleted: 'D' } as const;

/** `dray diff`. */
export default class Diff extends BaseCommand {
  static override summary =
    'Show which files of a container were added (A), changed (C) or deleted (D)';
  static override enableJsonFlag = true;
  static override args = {
    container: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Diff);
    const engine = await this.openEngine(flags);
    const { diffContainer } = await import('../core/operations/diff-container.ts');
    const changes = await diffContainer(engine, args.container);
    if (!this.jsonEnabled())
      for (const { kind, path } of changes) printLine(`${LETTERS[kind]} ${escapeControls(path)}`);
    return changes;
  }
}
