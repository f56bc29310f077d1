/** Writes built images as an OCI image layout, without any tool. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltImage, jsonBytes } from './image-builder.ts';
import type { LayoutImage } from './real-images.ts';

/** Writes `image` into the new directory `layoutDir` under `tag`. */
export function writeLayout(layoutDir: string, image: BuiltImage, tag = 'latest'): LayoutImage {
  for (const [digest, bytes] of image.blobs) {
    const [algorithm = '', hex = ''] = digest.split(':');
    mkdirSync(join(layoutDir, 'blobs', algorithm), { recursive: true });
    writeFileSync(join(layoutDir, 'blobs', algorithm, hex), bytes);
  }
  const annotations = { 'org.opencontainers.image.ref.name': tag };
  const manifests = [{ ...image.manifest.descriptor, annotations }];
  writeFileSync(join(layoutDir, 'index.json'), jsonBytes({ schemaVersion: 2, manifests }));
  writeFileSync(join(layoutDir, 'oci-layout'), jsonBytes({ imageLayoutVersion: '1.0.0' }));
  return { layoutDir, tag };
}
