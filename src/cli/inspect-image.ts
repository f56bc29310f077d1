/** What `inspect` shows of an image: docker's shape. */
import { isJsonObject, type JsonObject } from '../core/oci/json-document.ts';
import type { ImageInspection } from '../core/operations/inspect-image.ts';
import { timeJson } from './image-json.ts';
import { listOrNull, setOf } from './inspect-values.ts';
import { textMap } from './template/values.ts';

/** The JSON of one image, and what a template sees of it. The image's own words are not trusted. */
export function dockerImage(image: ImageInspection) {
  const document = objectAt(image.config);
  const config = objectAt(document.config);
  const rootfs = objectAt(document.rootfs);
  const tags = image.references.filter((reference) => !reference.includes('@'));
  const repositories = new Set(image.references.map(repositoryOf));
  return {
    Id: image.imageId,
    RepoTags: tags,
    RepoDigests: Array.from(repositories, (name) => `${name}@${image.manifestDigest}`),
    Parent: '',
    Comment: '',
    Created: textAt(document, 'created'),
    DockerVersion: '',
    Author: textAt(document, 'author'),
    Config: {
      User: textAt(config, 'User'),
      ExposedPorts: setOf(Object.keys(objectAt(config.ExposedPorts))),
      Env: listOrNull(textsAt(config.Env)),
      Cmd: listOrNull(textsAt(config.Cmd)),
      Healthcheck: isJsonObject(config.Healthcheck) ? config.Healthcheck : undefined,
      Volumes: setOf(Object.keys(objectAt(config.Volumes))),
      WorkingDir: textAt(config, 'WorkingDir'),
      Entrypoint: listOrNull(textsAt(config.Entrypoint)),
      OnBuild: listOrNull(textsAt(config.OnBuild)),
      Labels: textMap(labelsAt(config.Labels)),
      StopSignal: textAt(config, 'StopSignal') || undefined,
      Shell: listOrNull(textsAt(config.Shell)) ?? undefined,
    },
    Architecture: textAt(document, 'architecture'),
    Variant: textAt(document, 'variant') || undefined,
    Os: textAt(document, 'os'),
    Size: image.sizeBytes,
    RootFS: { Type: textAt(rootfs, 'type'), Layers: textsAt(rootfs.diff_ids) },
    Metadata: { LastTagTime: timeJson(image.importedAt) ?? '' },
  };
}

function repositoryOf(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
}

function objectAt(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function textAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === 'string' ? value : '';
}

/** The texts of a list; docker takes a single one for a list of one. */
function textsAt(value: unknown): string[] {
  const items = Array.isArray(value) ? value : [value];
  return items.filter((each) => typeof each === 'string');
}

function labelsAt(value: unknown): Record<string, string> {
  const texts = Object.entries(objectAt(value)).flatMap(([key, text]) =>
    typeof text === 'string' ? [[key, text] as const] : [],
  );
  return Object.fromEntries(texts);
}
