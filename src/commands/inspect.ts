import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { printFailures } from '../cli/container-args.ts';
import { EXIT } from '../cli/exit-status.ts';
import { inspectionData, inspectionPrinter } from '../cli/inspection.ts';

/** `dray inspect`. */
export default class Inspect extends BaseCommand {
  static override summary = 'Print all that is known of containers, images and volumes, as JSON';
  static override description =
    "The JSON has docker's shape. A name is looked for among containers, then images, then volumes.";
  static override examples = [
    "dray inspect -f '{{.State.Status}}' web",
    `dray inspect -f '{{index .Config.Labels "a.b"}}' web`,
  ];
  static override args = {
    name: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    format: Flags.string({
      char: 'f',
      description: 'a Go template for each, or json: all in one line',
      helpValue: 'FORMAT',
    }),
    size: Flags.boolean({ char: 's', description: 'tell how much of the disk containers take' }),
    type: Flags.option({ options: ['container', 'image', 'volume'] as const })({
      description: 'look for these only',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Inspect);
    const print = inspectionPrinter(flags.format);
    const engine = await this.openEngine(flags);
    const { inspectAny } = await import('../core/operations/inspect-any.ts');
    const { eachInTurn } = await import('../core/operations/for-each-container.ts');
    const options = { kind: flags.type, withSizes: flags.size };
    const { done, failures } = await eachInTurn(args.name, async (input) =>
      inspectionData(inspectAny(engine, input, options)),
    );
    print(done.map(({ result }) => result));
    await printFailures(failures, flags.debug);
    if (failures.length > 0) this.exitStatus = EXIT.failure;
  }
}
