/**
 * Image manifests and image indexes (image-spec `manifest.md`, `image-index.md`; Docker's image
 * manifest version 2, schema 2).
 *
 * A document must not be readable as two things (CVE-2021-41190): its own `mediaType`, the content
 * type it came with and its fields have to agree.
 */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { parseDigest } from './digest.ts';
import {
  invalid,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  requireArray,
  requireObject,
  requireSize,
  requireString,
  requireStringMap,
  wrongField,
} from './json-document.ts';
import {
  bareMediaType,
  isImageConfigMediaType,
  isIndexMediaType,
  isManifestMediaType,
  isSchema1MediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-type.ts';
import type { Platform } from './platform.ts';

/** The manifest of one image for one platform. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Manifests, or indexes again, of one image for several platforms. */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What a manifest request can give. */
export type ManifestDocument =
  | { readonly kind: 'manifest'; readonly manifest: ImageManifest; readonly mediaType: string }
  | { readonly kind: 'index'; readonly index: ImageIndex; readonly mediaType: string };

/** The most layers that a manifest may have. */
export const MAX_LAYERS = 1000;

/** Content types that servers of plain files give; they say nothing about a document. */
const SILENT_TYPES: readonly string[] = [
  '',
  'application/json',
  'text/plain',
  'application/octet-stream',
  'binary/octet-stream',
];

/**
 * Parses a manifest or an index.
 *
 * @param contentType the `Content-Type` it came with, or the media type in the descriptor that
 * pointed to it; parameters are ignored.
 * @param where names the document for errors, such as `manifest "docker.io/library/x:latest"`.
 * @throws EngineError `IMAGE_INVALID` when it is over 4 MiB, not JSON, ambiguous, or a field is
 * wrong; `DIGEST_INVALID`; `MEDIA_TYPE_UNSUPPORTED` for schema 1, for artifacts that are not images
 * and for anything else; `REGISTRY_RESPONSE_INVALID` for a web page.
 */
export function parseManifestDocument(
  bytes: Buffer,
  contentType: string | undefined,
  where: string,
): ManifestDocument {
  const claimed = bareMediaType(contentType ?? '');
  if (claimed === 'text/html' || claimed === 'application/xhtml+xml') {
    throw new EngineError(
      'REGISTRY_RESPONSE_INVALID',
      `the registry answered ${claimed} for ${where}; expected a manifest`,
      { hint: 'A proxy or a login page may stand between this host and the registry.' },
    );
  }
  const document = parseJsonObject(bytes, where);
  const mediaType = mediaTypeOf(
    document,
    SILENT_TYPES.includes(claimed) ? undefined : claimed,
    where,
  );
  return isIndexMediaType(mediaType)
    ? { kind: 'index', index: parseIndex(document, mediaType, where), mediaType }
    : { kind: 'manifest', manifest: parseManifest(document, mediaType, where), mediaType };
}

/** The one media type that the document, its content type and its fields agree on. */
function mediaTypeOf(document: JsonObject, claimed: string | undefined, where: string): string {
  const stated = statedMediaType(document, where);
  if (isSchema1(document, stated ?? claimed)) {
    throw unsupported(where, 'is a schema 1 image manifest; schema 1 images are not supported');
  }
  if (document.schemaVersion !== 2) {
    throw wrongField(where, 'schemaVersion', document.schemaVersion, '2');
  }
  if (stated !== undefined && claimed !== undefined && stated !== claimed) {
    throw invalid(where, `says that it is ${quote(stated)} but came as ${quote(claimed)}`);
  }
  const hasManifests = document.manifests !== undefined;
  const hasLayers = document.layers !== undefined || document.config !== undefined;
  if (hasManifests && hasLayers) {
    throw invalid(where, 'is ambiguous: it has the fields of an index and those of a manifest');
  }
  const mediaType = stated ?? claimed ?? (hasManifests ? OCI_INDEX : OCI_MANIFEST);
  if (!isIndexMediaType(mediaType) && !isManifestMediaType(mediaType)) {
    throw unsupported(
      where,
      `has the media type ${quote(mediaType)}; expected an image manifest or index`,
    );
  }
  return mediaType;
}

function statedMediaType(document: JsonObject, where: string): string | undefined {
  const stated = document.mediaType;
  if (stated === undefined || stated === null || stated === '') return undefined;
  return requireString(stated, 'mediaType', where);
}

function isSchema1(document: JsonObject, mediaType: string | undefined): boolean {
  return (
    document.schemaVersion === 1 ||
    document.fsLayers !== undefined ||
    (mediaType !== undefined && isSchema1MediaType(mediaType))
  );
}

function parseIndex(document: JsonObject, mediaType: string, where: string): ImageIndex {
  const manifests = requireArray(document.manifests, 'manifests', where);
  return {
    schemaVersion: 2,
    mediaType,
    manifests: manifests.map((item, at) => parseDescriptor(item, `manifests[${at}]`, where)),
    ...annotationsOf(document, 'annotations', where),
  };
}

function parseManifest(document: JsonObject, mediaType: string, where: string): ImageManifest {
  const config = parseDescriptor(document.config, 'config', where);
  if (!isImageConfigMediaType(config.mediaType)) {
    throw unsupported(
      where,
      `is not a runnable image: its config has the media type ${quote(config.mediaType)}`,
    );
  }
  const layers = requireArray(document.layers, 'layers', where);
  if (layers.length > MAX_LAYERS) {
    throw invalid(where, `has ${layers.length} layers; expected at most ${MAX_LAYERS}`);
  }
  return {
    schemaVersion: 2,
    mediaType,
    config,
    layers: layers.map((item, at) => parseDescriptor(item, `layers[${at}]`, where)),
    ...annotationsOf(document, 'annotations', where),
  };
}

/**
 * Parses a descriptor (image-spec `descriptor.md`). `urls` and `data` are ignored: content comes
 * from where the manifest came from, and is always verified.
 *
 * @param field the path of the descriptor in its document, such as `layers[2]`.
 * @throws EngineError `IMAGE_INVALID`, `DIGEST_INVALID`
 */
export function parseDescriptor(value: unknown, field: string, where: string): Descriptor {
  const object = requireObject(value, field, where);
  const platform = parseDescriptorPlatform(object.platform, `${field}.platform`, where);
  const artifactType = object.artifactType;
  return {
    mediaType: requireString(object.mediaType, `${field}.mediaType`, where),
    digest: parseDigest(object.digest, `${where}, field ${field}.digest,`),
    size: requireSize(object.size, `${field}.size`, where),
    ...(platform === undefined ? {} : { platform }),
    ...annotationsOf(object, `${field}.annotations`, where),
    ...(typeof artifactType === 'string' && artifactType !== '' ? { artifactType } : {}),
  };
}

function annotationsOf(
  object: JsonObject,
  field: string,
  where: string,
): { annotations?: Readonly<Record<string, string>> } {
  const annotations = object.annotations;
  if (annotations === undefined || annotations === null) return {};
  return { annotations: requireStringMap(annotations, field, where) };
}

function parseDescriptorPlatform(
  value: unknown,
  field: string,
  where: string,
): Platform | undefined {
  if (!isJsonObject(value)) {
    if (value === undefined || value === null) return undefined;
    throw wrongField(where, field, value, 'an object');
  }
  const text = (key: string): string =>
    value[key] === undefined ? '' : requireString(value[key], `${field}.${key}`, where);
  const os = text('os');
  const architecture = text('architecture');
  const variant = text('variant');
  const osVersion = text('os.version');
  if (os === '' && architecture === '') return undefined;
  return {
    os,
    architecture,
    ...(variant === '' ? {} : { variant }),
    ...(osVersion === '' ? {} : { 'os.version': osVersion }),
  };
}

function unsupported(where: string, why: string): EngineError {
  return new EngineError('MEDIA_TYPE_UNSUPPORTED', `${where} ${why}`);
}
