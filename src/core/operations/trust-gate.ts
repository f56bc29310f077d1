/**
 * Whether there is a signature policy at all. Every run asks, so that nothing else of it is loaded
 * where there is none.
 */
import { lstatSync } from 'node:fs';
import type { Reference } from '../oci/reference.ts';
import type { ImageRecord } from '../store/image-store.ts';
import type { Engine, EngineSettings } from './engine.ts';
import type { ImageTrust, StoredTrustOptions, TrustOptions } from './trust-options.ts';

/**
 * What the policy asks of the image that `reference` names; undefined when that is nothing.
 *
 * @throws EngineError `TRUST_REFUSED` when no image of that name may be used; `CONFIG_INVALID`
 */
export async function trustOf(
  settings: EngineSettings,
  reference: Reference,
  options: TrustOptions,
): Promise<ImageTrust | undefined> {
  if (!hasPolicy(settings)) return undefined;
  const { openTrust } = await import('./image-trust.ts');
  return openTrust(settings, reference, options);
}

/**
 * Lets an image of the store be used: because nothing is asked of it, because the store remembers a
 * signature that is enough, or because the registry has one now, which is then remembered. `records`
 * are the names of one image; one that may be used is enough.
 *
 * @throws EngineError `TRUST_REFUSED`, `CONFIG_INVALID`
 */
export async function requireTrusted(
  engine: Engine,
  records: readonly ImageRecord[],
  options: StoredTrustOptions,
): Promise<void> {
  if (!hasPolicy(engine.settings)) return;
  const { requireTrustedRecord } = await import('./image-trust.ts');
  await requireTrustedRecord(engine, records, options);
}

function hasPolicy({ trustPolicyFile, containersPolicyFile }: EngineSettings): boolean {
  return isThere(trustPolicyFile) || isThere(containersPolicyFile);
}

/** Anything but a plain absence counts: a policy that cannot be read must not count as none. */
function isThere(path: string | undefined): boolean {
  return path !== undefined && lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
