/**
 * Whether a signature is for the name under which an image is used: `signedIdentity` of
 * containers-policy.json(5). Pure.
 */
import { EngineError, quote } from '../errors.ts';
import { parseReference, type Reference } from '../oci/reference.ts';

/** Which name a signature must hold. */
export type SignedIdentity =
  /** dray's own rules: the repository in use, or no name at all, as cosign's bundles have none. */
  | { readonly type: 'ownRepository' }
  | { readonly type: 'matchExact' }
  | { readonly type: 'matchRepoDigestOrExact' }
  | { readonly type: 'matchRepository' }
  | { readonly type: 'exactReference'; readonly dockerReference: string }
  | { readonly type: 'exactRepository'; readonly dockerRepository: string }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string };

/**
 * Whether a signature that names `signed` serves for `reference`. A name that cannot be parsed
 * serves for nothing; undefined (a signature without a name) only where nothing is asked.
 */
export function isIdentityAccepted(
  identity: SignedIdentity,
  reference: Reference,
  signed: string | undefined,
): boolean {
  if (signed === undefined) return identity.type === 'ownRepository';
  const claimed = parseName(signed);
  if (claimed === undefined) return false;
  switch (identity.type) {
    case 'ownRepository':
    case 'matchRepository':
      return claimed.name === nameOf(reference);
    case 'matchExact':
      return claimed.suffix !== '' && claimed.text === textOf(reference);
    case 'matchRepoDigestOrExact':
      return isRepoDigestOrExact(claimed, reference);
    case 'exactReference': {
      const wanted = parseName(identity.dockerReference);
      return wanted !== undefined && claimed.suffix !== '' && wanted.text === claimed.text;
    }
    case 'exactRepository':
      return parseName(identity.dockerRepository)?.name === claimed.name;
    case 'remapIdentity': {
      const remapped = remap(reference, identity);
      return remapped !== undefined && isRepoDigestOrExact(claimed, remapped);
    }
  }
}

/** What `isIdentityAccepted` accepts for `reference`, for messages: `the repository "quay.io/app"`. */
export function describeIdentity(identity: SignedIdentity, reference: Reference): string {
  const repository = (name: string): string => `the repository ${quote(name)}`;
  switch (identity.type) {
    case 'ownRepository':
    case 'matchRepository':
      return repository(nameOf(reference));
    case 'matchExact':
      return quote(textOf(reference));
    case 'matchRepoDigestOrExact':
      return describeExact(reference);
    case 'exactReference':
      return quote(identity.dockerReference);
    case 'exactRepository':
      return repository(identity.dockerRepository);
    case 'remapIdentity': {
      const remapped = remap(reference, identity);
      return remapped === undefined ? 'no name at all' : describeExact(remapped);
    }
  }
}

function describeExact(reference: Reference): string {
  return reference.digest === undefined
    ? quote(textOf(reference))
    : `the repository ${quote(nameOf(reference))}`;
}

/** A name with what follows it, as it stands: no tag is added. */
interface Name {
  readonly name: string;
  /** `:tag`, `@digest`, both, or nothing. */
  readonly suffix: string;
  readonly text: string;
}

function parseName(text: string): Name | undefined {
  try {
    const reference = parseReference(text);
    const name = nameOf(reference);
    const hasTag = /:[^/:@]+(?:@|$)/.test(text.slice(text.lastIndexOf('/') + 1));
    const tag = hasTag && reference.tag !== undefined ? `:${reference.tag}` : '';
    const suffix = `${tag}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
    return { name, suffix, text: `${name}${suffix}` };
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function nameOf({ registry, repository }: Reference): string {
  return `${registry}/${repository}`;
}

/** The digest wins over a tag, as it does when the image is fetched. */
function textOf(reference: Reference): string {
  const { tag, digest } = reference;
  return `${nameOf(reference)}${digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`}`;
}

function isRepoDigestOrExact(claimed: Name, reference: Reference): boolean {
  if (claimed.suffix === '') return false;
  return reference.digest === undefined
    ? claimed.text === textOf(reference)
    : claimed.name === nameOf(reference);
}

function remap(
  reference: Reference,
  { prefix, signedPrefix }: { readonly prefix: string; readonly signedPrefix: string },
): Reference | undefined {
  const name = nameOf(reference);
  if (name !== prefix && !name.startsWith(`${prefix}/`)) return reference;
  const remapped = parseName(`${signedPrefix}${name.slice(prefix.length)}`);
  if (remapped === undefined || remapped.suffix !== '') return undefined;
  const slash = remapped.name.indexOf('/');
  return {
    ...reference,
    registry: remapped.name.slice(0, slash),
    repository: remapped.name.slice(slash + 1),
  };
}
