/** Writes built images as an OCI image layout, and directories as tar archives. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltImage, jsonBytes } from './image-builder.ts';

export interface LayoutImage {
  readonly image: BuiltImage;
  /** `org.opencontainers.image.ref.name` of the entry. */
  readonly refName?: string;
}

export function writeLayout(directory: string, images: readonly LayoutImage[]): string {
  const blobs = join(directory, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  for (const { image } of images) {
    for (const [digest, bytes] of image.blobs) writeFileSync(join(blobs, digest.slice(7)), bytes);
  }
  const manifests = images.map(({ image, refName }) => ({
    ...image.manifest.descriptor,
    ...(refName === undefined
      ? {}
      : { annotations: { 'org.opencontainers.image.ref.name': refName } }),
  }));
  writeFileSync(join(directory, 'index.json'), jsonBytes({ schemaVersion: 2, manifests }));
  return directory;
}

/** Packs the contents of `directory` with GNU tar. */
export function tarDirectory(directory: string, file: string, names = ['.']): string {
  execFileSync('tar', ['-C', directory, '-cf', file, ...names]);
  return file;
}

export interface DockerArchiveImage {
  readonly image: BuiltImage;
  readonly repoTags: readonly string[];
}

/** Writes what `docker save` writes; the layers are plain tars unless the image has others. */
export function writeDockerArchive(
  directory: string,
  images: readonly DockerArchiveImage[],
): string {
  mkdirSync(directory, { recursive: true });
  const manifest = images.map(({ image, repoTags }, position) => {
    const config = `${position}.json`;
    writeFileSync(join(directory, config), image.config.bytes);
    const layers = image.layers.map((layer, number) => {
      const file = `${position}-${number}.tar`;
      writeFileSync(join(directory, file), layer.bytes);
      return file;
    });
    return { Config: config, RepoTags: repoTags, Layers: layers };
  });
  writeFileSync(join(directory, 'manifest.json'), jsonBytes(manifest));
  return tarDirectory(directory, `${directory}.tar`);
}
