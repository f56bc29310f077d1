/**
 * `index.json`: the references of the store as an OCI image index (image-spec `image-layout.md`).
 *
 * One entry per reference. `org.opencontainers.image.ref.name` holds the reference; what dray needs
 * besides is in `dev.dray.*` annotations. Entries are decoded one by one, so that a damaged entry
 * hides no other, and entries that are not ours are kept as they are.
 *
 * Pure: values in, values out.
 */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, type ImageId, isDigest } from '../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import { OCI_INDEX } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import type { VerifiedSignature } from '../oci/verified-signature.ts';
import { decodeVerified, encodeVerified } from './verified-annotation.ts';

/** An image of the store under one reference, or without any. */
export interface ImageRecord {
  /** Canonical; undefined when the image has no name (any more). Opaque: never part of a path. */
  readonly reference?: string;
  readonly manifest: Descriptor;
  readonly imageId: ImageId;
  /** RFC 3339. */
  readonly importedAt: string;
  /** What the reference pointed to at its source: this manifest, or an index that names it. */
  readonly resolvedDigest?: Digest;
  readonly platform?: Platform;
  /** Signatures of the manifest, or of `resolvedDigest`, that dray itself has verified. */
  readonly verified?: readonly VerifiedSignature[];
  /** The reference that an image without one had last. */
  readonly formerReference?: string;
  /** It came out of a file that the user named, not out of a registry. */
  readonly isFromFile?: true;
}

/** One entry of `index.json`. */
export interface LayoutEntry {
  /** The descriptor as it is in the file; unknown fields are kept. */
  readonly raw: JsonObject;
  /** Undefined for an entry that is damaged or of another tool. */
  readonly record: ImageRecord | undefined;
  /** Why this is neither a record nor a manifest of another tool: nobody knows what it needs. */
  readonly problem: string | undefined;
}

const REF_NAME = 'org.opencontainers.image.ref.name';
const OWN_ANNOTATION = 'dev.dray.';
const IMAGE_ID = 'dev.dray.image-id';
const IMPORTED_AT = 'dev.dray.imported-at';
const RESOLVED_DIGEST = 'dev.dray.resolved-digest';
const VERIFIED = 'dev.dray.verified';
const FORMER_REFERENCE = 'dev.dray.former-reference';
const SOURCE = 'dev.dray.source';
const FILE_SOURCE = 'file';

/** What to do about an `index.json` that is lost. */
export const REPLACE_INDEX =
  'Put it back, or write {"manifests":[]} into it and fetch the images again before "dray image gc"; what is in the store is not transferred twice.';

const NO_OBJECT: LayoutEntry = { raw: {}, record: undefined, problem: 'it is not an object' };

/** The largest `index.json` that is read: about 100,000 references. */
export const MAX_LAYOUT_INDEX_BYTES = 64 * 1024 * 1024;

/**
 * Decodes the bytes of `index.json`. An entry that is no object is damaged, and not written again.
 *
 * @throws EngineError `STORE_CORRUPT` when the file as a whole is no image index.
 */
export function decodeLayoutIndex(bytes: Buffer, path: string): LayoutEntry[] {
  const document = parseJson(bytes);
  const manifests = isJsonObject(document) ? document.manifests : undefined;
  if (!Array.isArray(manifests)) {
    // An index without images may come from a tool that writes null for an empty list.
    if (isJsonObject(document) && manifests === null) return [];
    throw new EngineError('STORE_CORRUPT', `${quote(path)} is not an OCI image index`, {
      hint: REPLACE_INDEX,
    });
  }
  const items: readonly unknown[] = manifests;
  return items.map((item) => (isJsonObject(item) ? decodeEntry(item) : NO_OBJECT));
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function decodeEntry(raw: JsonObject): LayoutEntry {
  const { mediaType, digest, size } = raw;
  const damaged = (problem: string): LayoutEntry => ({ raw, record: undefined, problem });
  if (typeof mediaType !== 'string') return damaged('its "mediaType" is not a string');
  if (!isDigest(digest)) return damaged('its "digest" is not a digest');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    return damaged('its "size" is not a number of bytes');
  }
  const annotations = raw.annotations ?? {};
  if (!isJsonObject(annotations)) return damaged('its "annotations" are not an object');
  const imageId = annotations[IMAGE_ID];
  if (!isDigest(imageId)) {
    const isOurs = Object.keys(annotations).some((name) => name.startsWith(OWN_ANNOTATION));
    if (isOurs) return damaged(`it has no valid annotation "${IMAGE_ID}"`);
    return { raw, record: undefined, problem: undefined };
  }
  const reference = annotations[REF_NAME];
  const importedAt = annotations[IMPORTED_AT];
  const resolvedDigest = annotations[RESOLVED_DIGEST];
  const platform = decodePlatform(raw.platform);
  const record: ImageRecord = {
    ...(typeof reference === 'string' && reference !== '' ? { reference } : {}),
    manifest: { mediaType, digest, size },
    imageId,
    importedAt: isTime(importedAt) ? importedAt : EPOCH,
    ...(isDigest(resolvedDigest) ? { resolvedDigest } : {}),
    ...(platform === undefined ? {} : { platform }),
    ...decodeTrust(annotations),
  };
  return { raw, record, problem: undefined };
}

/** What decides whether a signature policy lets the image be used. */
function decodeTrust(
  annotations: JsonObject,
): Pick<ImageRecord, 'verified' | 'formerReference' | 'isFromFile'> {
  const verified = decodeVerified(annotations[VERIFIED]);
  const formerReference = annotations[FORMER_REFERENCE];
  return {
    ...(verified.length === 0 ? {} : { verified }),
    ...(typeof formerReference === 'string' && formerReference !== '' ? { formerReference } : {}),
    ...(annotations[SOURCE] === FILE_SOURCE ? { isFromFile: true } : {}),
  };
}

const EPOCH = new Date(0).toISOString();

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function decodePlatform(value: unknown): Platform | undefined {
  if (!isJsonObject(value)) return undefined;
  const { os, architecture, variant, 'os.version': osVersion } = value;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return {
    os,
    architecture,
    ...(typeof variant === 'string' ? { variant } : {}),
    ...(typeof osVersion === 'string' ? { 'os.version': osVersion } : {}),
  };
}

/** The bytes of an `index.json` with these entries. */
export function encodeLayoutIndex(entries: readonly LayoutEntry[]): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: entries.flatMap((entry) => (entry === NO_OBJECT ? [] : entry.raw)),
  });
}

/** The entry of a record. Annotations of the manifest's own descriptor are left out: they are data of others. */
export function entryOf(record: ImageRecord): LayoutEntry {
  const { mediaType, digest, size } = record.manifest;
  const verified = encodeVerified(record.verified);
  const { formerReference, isFromFile } = record;
  const annotations = {
    ...(record.reference === undefined ? {} : { [REF_NAME]: record.reference }),
    [IMAGE_ID]: record.imageId,
    [IMPORTED_AT]: record.importedAt,
    ...(record.resolvedDigest === undefined ? {} : { [RESOLVED_DIGEST]: record.resolvedDigest }),
    ...(verified === undefined ? {} : { [VERIFIED]: verified }),
    ...(formerReference === undefined ? {} : { [FORMER_REFERENCE]: formerReference }),
    ...(isFromFile === true ? { [SOURCE]: FILE_SOURCE } : {}),
  };
  const platform = record.platform === undefined ? {} : { platform: record.platform };
  return {
    raw: { mediaType, digest, size, ...platform, annotations },
    record,
    problem: undefined,
  };
}

/** The reference that an entry carries, readable even when the rest of it is damaged. */
export function referenceOf({ raw }: LayoutEntry): string | undefined {
  const reference = isJsonObject(raw.annotations) ? raw.annotations[REF_NAME] : undefined;
  return typeof reference === 'string' ? reference : undefined;
}

/** The manifest digest that an entry carries, whoever wrote it. */
export function manifestDigestOf({ raw }: LayoutEntry): Digest | undefined {
  return isDigest(raw.digest) ? raw.digest : undefined;
}
