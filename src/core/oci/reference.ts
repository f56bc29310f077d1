/**
 * References: what a user types to name an image.
 *
 *     reference  = [ registry "/" ] repository [ ":" tag ] [ "@" digest ]
 *     registry   = ( host-label *( "." host-label ) | "[" IPv6 "]" ) [ ":" port ]
 *     repository = component *( "/" component )
 *     component  = alnum *( ( "." / "_" / "__" / 1*"-" ) alnum )      alnum = 1*[a-z0-9]
 *     tag        = [A-Za-z0-9_] 0*127[A-Za-z0-9_.-]
 *
 * As Docker does, the first part is a registry when it has a "." or ":" or is "localhost"; else the
 * registry is docker.io, where a repository of one component lies below "library/". Registry and
 * repository together have at most 255 characters (distribution-spec, "Pulling manifests").
 */
import { EngineError, type EngineErrorOptions, quote } from '../errors.ts';
import { type Digest, isDigest } from './digest.ts';

/** A parsed reference. At least one of `tag` and `digest` is there; the digest wins. */
export interface Reference {
  /** Lower-case host with an optional port, such as `docker.io` or `127.0.0.1:5000`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_TAG = 'latest';
const OFFICIAL = 'library/';
const MAX_NAME = 255;
/** Name, ":" and tag, "@" and a sha512 digest; a longer input is refused unread. */
const MAX_REFERENCE = MAX_NAME + 1 + 128 + 1 + 7 + 128 + 'docker://'.length;

const COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const HOST_LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const IPV6 = /^\[[0-9a-f:.]{2,45}\]$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;
const HEX_ID = /^[0-9a-f]{64}$/;
/** As docker reads it: the beginning of an image id, and no tag of a repository named "sha256". */
const ID_BEGINNING = /^sha(?:256|512):[0-9a-f]{1,128}$/;

/**
 * Parses and normalises a reference; `docker://` in front is accepted.
 *
 * Total and linear: any string gives a reference or this error. User information ("user:secret@")
 * is refused and never shown.
 *
 * @throws EngineError `REFERENCE_INVALID`
 */
export function parseReference(input: string): Reference {
  if (input.length > MAX_REFERENCE) {
    throw invalid(
      input,
      `has ${input.length} characters; expected at most ${MAX_NAME} before the tag`,
    );
  }
  const text = input.startsWith('docker://') ? input.slice('docker://'.length) : input;
  if (SCHEME.test(text)) {
    throw invalid(input, 'has a scheme; expected none', {
      hint: 'Leave it out, as in HOST[:PORT]/REPOSITORY; only "docker://" is accepted.',
    });
  }
  if (isDigest(text) || HEX_ID.test(text) || ID_BEGINNING.test(input)) {
    throw invalid(input, 'is an image id or a digest; expected the name of an image', {
      hint: 'Write REPOSITORY@sha256:… to fetch an image by the digest of its manifest.',
    });
  }
  const { name, digest } = splitDigest(text, input);
  const { path, tag } = splitTag(name, input);
  const { registry, repository } = splitRegistry(path, input);
  if (registry.length + 1 + repository.length > MAX_NAME) {
    throw invalid(input, `has a name of more than ${MAX_NAME} characters`);
  }
  return {
    registry,
    repository,
    ...(tag === undefined && digest !== undefined ? {} : { tag: tag ?? DEFAULT_TAG }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The canonical spelling, such as `docker.io/library/busybox:latest`; `parseReference` reads it back. */
export function formatReference(reference: Reference): string {
  return `${reference.registry}/${reference.repository}${formatSuffix(reference)}`;
}

/** The shortest spelling that means the same reference, such as `busybox:latest`. */
export function familiarReference(reference: Reference): string {
  const canonical = formatReference(reference);
  if (reference.registry !== DEFAULT_REGISTRY) return canonical;
  const { repository } = reference;
  const short = repository.startsWith(OFFICIAL) ? repository.slice(OFFICIAL.length) : repository;
  for (const name of [short, repository]) {
    const familiar = name + formatSuffix(reference);
    if (meansRepository(name, repository) && !ID_BEGINNING.test(familiar)) return familiar;
  }
  return canonical;
}

/**
 * Whether `input` names no registry, so that where it comes from is for the host's configuration to
 * say. With "docker://" in front it means docker.io.
 */
export function isShortName(input: string): boolean {
  if (input.startsWith('docker://')) return false;
  const slash = input.indexOf('/');
  return slash < 0 || !isRegistry(input.slice(0, slash));
}

/** Whether `text` is a tag: 1 to 128 letters, digits, "_", "." and "-". */
export function isTag(text: unknown): text is string {
  return typeof text === 'string' && TAG.test(text);
}

function formatSuffix({ tag, digest }: Reference): string {
  return (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
}

/** Whether `name` alone would be read as this repository of the default registry. */
function meansRepository(name: string, repository: string): boolean {
  const slash = name.indexOf('/');
  if (slash < 0) return OFFICIAL + name === repository && !HEX_ID.test(name);
  return name === repository && !isRegistry(name.slice(0, slash));
}

function splitDigest(text: string, input: string): { name: string; digest?: Digest } {
  const at = text.indexOf('@');
  if (at < 0) return { name: text };
  const digest = text.slice(at + 1);
  if (isDigest(digest)) return { name: text.slice(0, at), digest };
  if (digest.includes('/') && !/^sha(256|512):/i.test(digest)) {
    throw new EngineError(
      'REFERENCE_INVALID',
      `reference ${quote(`…@${text.slice(text.lastIndexOf('@') + 1)}`)} has user information before its registry; expected none`,
    );
  }
  throw invalid(input, 'has no digest such as "sha256:<64 lower-case hex>" after its "@"');
}

function splitTag(name: string, input: string): { path: string; tag?: string } {
  const colon = name.lastIndexOf(':');
  if (colon < 0 || colon < name.lastIndexOf('/')) return { path: name };
  const tag = name.slice(colon + 1);
  if (!isTag(tag)) {
    throw invalid(input, 'has an invalid tag; expected 1 to 128 letters, digits, "_", "." and "-"');
  }
  return { path: name.slice(0, colon), tag };
}

function splitRegistry(path: string, input: string): { registry: string; repository: string } {
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(slash, 0));
  const isQualified = slash >= 0 && isRegistry(first);
  const registry = isQualified ? normalRegistry(first, input) : DEFAULT_REGISTRY;
  const rest = isQualified ? path.slice(slash + 1) : path;
  checkRepository(rest, input);
  const isOfficial = registry === DEFAULT_REGISTRY && !rest.includes('/');
  return { registry, repository: isOfficial ? OFFICIAL + rest : rest };
}

function isRegistry(first: string): boolean {
  return first === 'localhost' || first.includes('.') || first.includes(':');
}

function normalRegistry(text: string, input: string): string {
  const registry = text.toLowerCase();
  const colon = registry.indexOf(':', registry.lastIndexOf(']') + 1);
  const host = colon < 0 ? registry : registry.slice(0, colon);
  const isHost = host.startsWith('[') ? IPV6.test(host) : host.split('.').every(isHostLabel);
  if (!isHost) {
    throw invalid(input, `has ${quote(host)} in the place of a registry; expected a host name`, {
      hint: 'Write it as HOST[:PORT]/REPOSITORY, without "http://" or "https://".',
    });
  }
  if (colon >= 0 && !isPort(registry.slice(colon + 1))) {
    throw invalid(input, 'has an invalid port; expected a number from 1 to 65535');
  }
  return registry === 'index.docker.io' ? DEFAULT_REGISTRY : registry;
}

function isHostLabel(label: string): boolean {
  return HOST_LABEL.test(label);
}

function isPort(text: string): boolean {
  return /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65535;
}

function checkRepository(repository: string, input: string): void {
  if (/[A-Z]/.test(repository)) {
    throw invalid(input, 'has upper-case letters; a repository name must be lowercase', {
      hint: 'Write the repository in lower case.',
    });
  }
  if (!repository.split('/').every((component) => COMPONENT.test(component))) {
    throw invalid(
      input,
      'has an invalid repository name; expected lower-case letters and digits, separated by ".", "_", "-" or "/"',
    );
  }
}

function invalid(input: string, why: string, options: EngineErrorOptions = {}): EngineError {
  return new EngineError('REFERENCE_INVALID', `reference ${quote(shown(input))} ${why}`, options);
}

/** The input without what may be a password: all before an "@" that no digest follows. */
function shown(input: string): string {
  const at = input.lastIndexOf('@');
  return at < 0 || /^sha(256|512):/i.test(input.slice(at + 1)) ? input : `…${input.slice(at)}`;
}
