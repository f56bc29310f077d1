import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { pushedJson } from '../../cli/image-json.ts';
import { printLine } from '../../cli/output.ts';
import { withProgress } from '../../cli/progress-view.ts';
import { registryFlags } from '../../cli/registry-flags.ts';
import type { PushOptions } from '../../core/operations/push-image.ts';

/** `dray image push`. */
export default class ImagePush extends BaseCommand {
  static override summary = 'Push an image to a registry and print its reference with its digest';
  static override aliases = ['push'];
  static override enableJsonFlag = true;
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
    destination: Args.string({
      description: 'reference to push to; default is the name of the image',
      ignoreStdin: true,
    }),
  };
  static override flags = {
    ...registryFlags,
    'sign-key': Flags.string({
      description: 'sign the image with this private key, as cosign does (COSIGN_PASSWORD)',
      helpValue: 'FILE',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImagePush);
    const signing = await this.#signing(flags['sign-key']);
    const engine = await this.openEngine(flags);
    const { pushImage } = await import('../../core/operations/push-image.ts');
    const { signal } = this;
    const to = args.destination === undefined ? {} : { destination: args.destination };
    const image = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      pushImage(engine, args.image, { ...to, ...signing, signal, onProgress }),
    );
    if (!this.jsonEnabled()) printLine(image.pinnedReference);
    return pushedJson(image);
  }

  /** The key is read first: a wrong password must not leave an unsigned image at the registry. */
  async #signing(file: string | undefined): Promise<Pick<PushOptions, 'onPushed'>> {
    if (file === undefined) return {};
    const { readSigningKey } = await import('../../cli/signing-key-input.ts');
    const { openSigningKey, signImage } = await import('../../core/operations/sign-image.ts');
    const { pem, label, password } = await readSigningKey(file, this.signal);
    const key = openSigningKey(pem, label, password);
    return {
      onPushed: (image, client) => signImage(image, client, { key, signal: this.signal }),
    };
  }
}
