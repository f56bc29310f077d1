/**
 * The command manifest: ids, aliases, arguments and flags of every command, known without loading
 * any of them. The build makes it and puts it into the bundle as a string.
 */
import type { Manifest } from '@oclif/core/interfaces';

declare const DRAY_MANIFEST: string | undefined;

/** The manifest of the bundle; run from source, it is made from the command classes. */
export async function loadManifest(): Promise<Manifest> {
  return typeof DRAY_MANIFEST === 'string'
    ? JSON.parse(DRAY_MANIFEST)
    : (await import('./build-manifest.ts')).buildManifest();
}
