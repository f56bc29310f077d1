import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { inspectionJson, remoteInspectionJson } from '../../cli/image-json.ts';
import { printJson } from '../../cli/output.ts';
import { platformFlag } from '../../cli/platform-flag.ts';
import { withProgress } from '../../cli/progress-view.ts';
import { registryFlags } from '../../cli/registry-flags.ts';
import type { SettingsFlags } from '../../cli/settings.ts';
import { EngineError } from '../../core/errors.ts';
import type { Platform } from '../../core/oci/platform.ts';

/** `dray image inspect`. */
export default class ImageInspect extends BaseCommand {
  static override summary = 'Print config and manifest of an image as JSON';
  static override enableJsonFlag = true;
  static override args = {
    image: Args.string({
      description: 'name, id, or unique beginning of an id; with --remote what "fetch" takes',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    ...registryFlags,
    remote: Flags.boolean({ description: 'ask the registry, and fetch nothing into the store' }),
    platform: platformFlag({
      description: "with --remote: platform to pick from an index; default is the host's",
    }),
  };

  async run() {
    const { args, flags } = await this.parse(ImageInspect);
    if (flags.platform !== undefined && !flags.remote) {
      const message = '--platform goes with --remote: an image of the store has one platform';
      throw new EngineError('USAGE_INVALID', message);
    }
    const inspection = flags.remote
      ? await this.#inspectRemote(args.image, flags)
      : await this.#inspectStored(args.image, flags);
    if (!this.jsonEnabled()) printJson(inspection);
    return inspection;
  }

  async #inspectStored(image: string, flags: SettingsFlags) {
    const engine = await this.openEngine(flags);
    const { inspectImage } = await import('../../core/operations/inspect-image.ts');
    return inspectionJson(inspectImage(engine, image));
  }

  async #inspectRemote(
    image: string,
    flags: SettingsFlags & { readonly quiet: boolean; readonly platform?: Platform | undefined },
  ) {
    const { inspectRemoteImage } = await import('../../core/operations/remote-image.ts');
    const platform = flags.platform === undefined ? {} : { platform: flags.platform };
    const { signal } = this;
    const inspection = await withProgress({ isQuiet: flags.quiet }, (onProgress) =>
      inspectRemoteImage(this.settings(flags), image, { ...platform, signal, onProgress }),
    );
    return remoteInspectionJson(inspection);
  }
}
