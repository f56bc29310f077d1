/** Everything between a mounted root file system and `runc run`. */
import type { RuntimeConfig } from '../oci/runtime-spec.ts';
import type { HostFacts } from './host-facts.ts';
import type { RunOptions } from './run-options.ts';
import type { RuntimeImage } from './runtime-image.ts';

/** What a bundle is made of. */
export interface BundleInput {
  readonly options: RunOptions;
  readonly image: RuntimeImage;
  /** The container's id, 64 hexadecimal digits. */
  readonly containerId: string;
  /** An existing directory; the root file system is mounted at `rootfs` in it. */
  readonly bundleDir: string;
  /** Where named volumes live: `<volumesDir>/<name>/_data`. */
  readonly volumesDir: string;
  readonly host: HostFacts;
}

/** A bundle that is ready for runc. */
export interface PreparedBundle {
  readonly config: RuntimeConfig;
  /** Sentences for the user: what was asked for and not given. */
  readonly warnings: readonly string[];
  /** The signal that asks the container's process to end. */
  readonly stopSignal: number;
}

/**
 * Checks the root file system and the options against each other, makes what is missing (working
 * directory, sources of binds, volumes), and writes `config.json`, `hosts`, `hostname` and
 * `resolv.conf` into the bundle directory.
 *
 * @throws EngineError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE` (decided from the root file
 * system), `USAGE_INVALID`, `IMAGE_INVALID`, `HOST_UNSUPPORTED`
 */
export function prepareBundle(input: BundleInput): PreparedBundle {
  throw new Error(`not built: ${input.bundleDir}`);
}
