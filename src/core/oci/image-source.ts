/**
 * Where an image is fetched from. The spellings are skopeo's:
 *
 *     [docker://]REFERENCE          a registry
 *     oci:DIRECTORY[:TAG]           an OCI image layout
 *     oci-archive:FILE[:TAG]        a tar of one
 *     docker-archive:FILE[:TAG]     what `docker save` writes; TAG is a reference in it
 *
 * A path ends at its first ":". An image named "oci" is written "docker://oci:1.0".
 */
import { EngineError, quote } from '../errors.ts';
import { parseReference, type Reference } from './reference.ts';

/** A parsed source. Paths are as they were typed. */
export type ImageSource =
  | { readonly kind: 'registry'; readonly reference: Reference }
  | {
      readonly kind: 'oci-layout' | 'oci-archive' | 'docker-archive';
      readonly path: string;
      readonly tag?: string;
    };

const KIND_OF_PREFIX = {
  'oci:': 'oci-layout',
  'oci-archive:': 'oci-archive',
  'docker-archive:': 'docker-archive',
} as const;
const PREFIXES = ['oci:', 'oci-archive:', 'docker-archive:'] as const;
const MAX_PATH = 4095;
const MAX_TAG = 512;

/**
 * Parses the source of an image.
 *
 * @throws EngineError `REFERENCE_INVALID`
 */
export function parseImageSource(input: string): ImageSource {
  const prefix = PREFIXES.find((candidate) => input.startsWith(candidate));
  if (prefix === undefined) return { kind: 'registry', reference: parseReference(input) };
  const rest = input.slice(prefix.length);
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (path === '' || path.length > MAX_PATH || path.includes('\0')) {
    throw invalid(input, `needs a path after ${quote(prefix)}`);
  }
  if (tag !== undefined && (tag === '' || tag.length > MAX_TAG || /[\u0000-\u0020]/.test(tag))) {
    throw invalid(input, 'has an invalid tag after its path');
  }
  return { kind: KIND_OF_PREFIX[prefix], path, ...(tag === undefined ? {} : { tag }) };
}

function invalid(input: string, why: string): EngineError {
  return new EngineError('REFERENCE_INVALID', `image source ${quote(input)} ${why}`, {
    hint: 'Write it as "oci:DIRECTORY:TAG", "oci-archive:FILE:TAG" or "docker-archive:FILE:TAG".',
  });
}
