/** Saves images of an engine to files, and builds archives member by member. */
import { writeFileSync } from 'node:fs';
import type { Engine } from '../../src/core/operations/engine.ts';
import { fetchImage } from '../../src/core/operations/fetch-image.ts';
import { type ArchiveFormat, saveImages } from '../../src/core/operations/save-images.ts';
import type { BuiltImage } from './image-builder.ts';
import { writeLayout } from './layout-writer.ts';
import { collect } from './registry-clients.ts';
import { type TarEntrySpec, tarOf } from './tar-builder.ts';

/** Puts built images into the store under these names. */
export async function storeImages(
  engine: Engine,
  directory: string,
  images: Readonly<Record<string, BuiltImage>>,
): Promise<void> {
  const named = Object.entries(images).map(([refName, image]) => ({ refName, image }));
  writeLayout(directory, named);
  for (const name of Object.keys(images)) {
    await fetchImage(engine, `oci:${directory}:${name}`, { pullPolicy: 'update' });
  }
}

/** The bytes of an archive with these images. */
export function savedBytes(
  engine: Engine,
  names: readonly string[],
  format?: ArchiveFormat,
): Promise<Buffer> {
  return collect(saveImages(engine, names, format === undefined ? {} : { format }));
}

/** Saves images into a file, and returns its path. */
export async function saveTo(
  engine: Engine,
  file: string,
  { names, format }: { names: readonly string[]; format?: ArchiveFormat },
): Promise<string> {
  writeFileSync(file, await savedBytes(engine, names, format));
  return file;
}

/** The members of an OCI archive that holds one image under a full name, in no special order. */
export function layoutMembers(image: BuiltImage, name = 'docker.io/library/x:1'): TarEntrySpec[] {
  const manifests = [
    {
      ...image.manifest.descriptor,
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': '1' },
    },
  ];
  return [
    { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) },
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    ...[...image.blobs].map(([digest, content]) => ({
      name: `blobs/${digest.replace(':', '/')}`,
      content,
    })),
  ];
}

/** An archive of these members. */
export function archiveFile(file: string, members: readonly TarEntrySpec[]): string {
  writeFileSync(file, tarOf(members));
  return file;
}
