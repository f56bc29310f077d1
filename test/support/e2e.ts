/** What the end-to-end tests share: facts of a layout, the state of a store, who may run them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LayoutImage } from './real-images.ts';

/** Options for a suite that starts containers. */
export const NEEDS_ROOT = {
  skip: process.getuid?.() === 0 ? (false as const) : 'containers need root',
};

/** The manifest of the image in a layout. */
export function layoutManifest({ layoutDir, tag }: LayoutImage): {
  config: { digest: string };
  layers: { digest: string; size: number }[];
} {
  const index = JSON.parse(readFileSync(join(layoutDir, 'index.json'), 'utf8'));
  const entry = index.manifests.find(
    (one: { annotations?: Record<string, string> }) =>
      one.annotations?.['org.opencontainers.image.ref.name'] === tag,
  );
  const [algorithm, hex] = entry.digest.split(':');
  return JSON.parse(readFileSync(join(layoutDir, 'blobs', algorithm, hex), 'utf8'));
}

/** The image id of the image in a layout, as dray prints it. */
export function layoutImageId(image: LayoutImage): string {
  return layoutManifest(image).config.digest.replace(':', '-');
}

/** Every regular file of a directory with its size; what lies under `ignored` names is left out. */
export function filesBelow(
  directory: string,
  ignored: readonly string[] = [],
): Map<string, number> {
  const files = new Map<string, number>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const below = path.slice(directory.length + 1);
    if (!entry.isFile() || ignored.some((name) => below.startsWith(name))) continue;
    files.set(below, statSync(path).size);
  }
  return files;
}

/** The bytes in all files below `directory`. */
export function sizeBelow(directory: string): number {
  return filesBelow(directory)
    .values()
    .reduce((total, size) => total + size, 0);
}
