import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { containerInputs, optionalContainerArgs, uuidFileFlag } from '../cli/container-args.ts';
import { statusJson, statusLines } from '../cli/container-status.ts';
import { EXIT } from '../cli/exit-status.ts';
import { printLine, writeStderr } from '../cli/output.ts';
import { parseDuration } from '../cli/parse/durations.ts';
import { usageError } from '../cli/parse/usage-error.ts';

/** `dray status`. */
export default class Status extends BaseCommand {
  static override summary = 'Show the state of a container as key=value lines';
  static override description =
    'Ends with 0 whenever the container was found, whatever its own exit status is.';
  static override enableJsonFlag = true;
  static override args = { container: optionalContainerArgs };
  static override flags = {
    wait: Flags.string({
      description: 'wait until it is over, at most so long if a time is given: --wait=10s',
      helpValue: '[=DURATION]',
    }),
    'wait-ready': Flags.string({
      description: 'wait until it runs and, if its health is checked, is healthy',
      helpValue: '[=DURATION]',
    }),
    'uuid-file': uuidFileFlag,
  };

  async run() {
    const { args, flags } = await this.parse(Status);
    const [input = '', ...others] = containerInputs(args.container, flags['uuid-file']);
    if (others.length > 0) throw usageError('only one container can be asked for');
    const engine = await this.openEngine(flags);
    const operation = await import('../core/operations/container-status.ts');
    const waiting = { signal: this.signal };
    const ready = limitOf(flags['wait-ready'], '--wait-ready');
    const over = limitOf(flags.wait, '--wait');
    let isLate = false;
    if (ready !== undefined) {
      isLate = !(await operation.waitUntilReady(engine, input, { ...waiting, ...ready }));
    }
    if (over !== undefined) {
      isLate = !(await operation.waitUntilOver(engine, input, { ...waiting, ...over })) || isLate;
    }
    if (isLate) {
      writeStderr('dray: the time to wait is up\n');
      this.exitStatus = EXIT.failure;
    }
    const status = operation.containerStatus(engine, input);
    if (!this.jsonEnabled()) for (const line of statusLines(status)) printLine(line);
    return statusJson(status);
  }
}

/** `true` waits for ever, `false` not at all. */
function limitOf(text: string | undefined, flag: string): { timeoutMs?: number } | undefined {
  if (text === undefined || text === 'false') return undefined;
  return text === 'true' ? {} : { timeoutMs: parseDuration(text, flag) };
}
