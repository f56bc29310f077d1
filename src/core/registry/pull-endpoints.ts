/** Where a reference is physically: the mirrors and the location that registries.conf gives for it. Pure. */
import { EngineError, quote } from '../errors.ts';
import { formatReference, isShortName, parseReference, type Reference } from '../oci/reference.ts';
import type { RegistriesConf } from './registries-conf.ts';
import type { Location, Mirror, RegistryRule } from './registries-file.ts';

/** One place to ask for an image. */
export interface PullEndpoint {
  /** Host with an optional port; credentials are looked up for it and for no other. */
  readonly registry: string;
  readonly repository: string;
  /** Plain HTTP may be spoken. */
  readonly isInsecure: boolean;
}

/**
 * The places to ask for `reference`, in this order: the mirrors that serve for it, then the location.
 * Never empty; without a rule it is the reference's own registry.
 *
 * @throws EngineError `REGISTRY_BLOCKED`; `CONFIG_INVALID` when a rewritten name is no reference
 */
export function pullEndpoints(
  reference: Reference,
  conf: RegistriesConf,
): readonly [PullEndpoint, ...PullEndpoint[]] {
  const name = formatReference(reference);
  const found = findRule(name, conf);
  if (found === undefined) {
    const { registry, repository } = reference;
    return [{ registry, repository, isInsecure: false }];
  }
  const { rule, matchedLength } = found;
  if (rule.isBlocked) throw blocked(name, rule);
  const endpointAt = (location: Location): PullEndpoint =>
    endpointOf(name, { rule, location, matchedLength });
  const [first, ...rest] = rule.mirrors
    .filter((mirror) => servesFor(mirror, reference))
    .map(endpointAt);
  const primary = endpointAt(rule);
  return first === undefined ? [primary] : [first, ...rest, primary];
}

/**
 * Whether registries.conf lets a registry, or the part of it below `path`, be spoken to in plain HTTP.
 *
 * @throws EngineError `REGISTRY_BLOCKED`
 */
export function isInsecureRegistry(
  { registry, path }: { readonly registry: string; readonly path?: string | undefined },
  conf: RegistriesConf,
): boolean {
  const name = path === undefined ? registry : `${registry}/${path}`;
  const rule = findRule(`${name}/`, conf)?.rule;
  if (rule?.isBlocked) throw blocked(name, rule);
  return rule?.isInsecure ?? false;
}

interface FoundRule {
  readonly rule: RegistryRule;
  /** How much of the name the prefix stands for. */
  readonly matchedLength: number;
}

/** The rule with the longest prefix that fits; of two equal lengths the one that is listed first. */
function findRule(name: string, { rules }: RegistriesConf): FoundRule | undefined {
  let best: FoundRule | undefined;
  for (const rule of rules.values()) {
    const matchedLength = matchOf(name, rule);
    if (matchedLength === undefined) continue;
    if (best === undefined || rule.prefix.length > best.rule.prefix.length) {
      best = { rule, matchedLength };
    }
  }
  return best;
}

/**
 * A prefix ends where a part of the name ends: `a.b/c` fits `a.b/c:1` and `a.b/c/d`, not `a.b/cd`. A
 * wildcard without a port fits hosts with any.
 */
function matchOf(name: string, { prefix, isBlocked }: RegistryRule): number | undefined {
  if (prefix.startsWith('*.')) return wildcardMatch(name.slice(0, name.indexOf('/')), prefix);
  if (!name.startsWith(prefix)) return undefined;
  const next = name.charAt(prefix.length);
  // Behind a bare host a colon begins a port, and that is another registry. Whoever blocks a host
  // does not want to see it evaded by one, though, and podman lets nobody.
  const ends = prefix.includes('/') ? ['', ':', '/', '@'] : isBlocked ? ['/', ':'] : ['/'];
  return ends.includes(next) ? prefix.length : undefined;
}

function wildcardMatch(host: string, prefix: string): number | undefined {
  const suffix = prefix.slice(1);
  const bare = suffix.includes(':') ? host : host.replace(/:[0-9]+$/, '');
  return bare.endsWith(suffix) ? bare.length : undefined;
}

function servesFor({ pullFromMirror }: Mirror, { digest }: Reference): boolean {
  if (pullFromMirror === 'all') return true;
  return (pullFromMirror === 'digest-only') === (digest !== undefined);
}

function endpointOf(
  name: string,
  found: { rule: RegistryRule; location: Location; matchedLength: number },
): PullEndpoint {
  const { rule, location, matchedLength } = found;
  const { isInsecure } = location;
  const text =
    location.location === undefined ? name : location.location + name.slice(matchedLength);
  // Read as a short name, it would be an image of docker.io.
  if (isShortName(text)) throw unusable(name, text, { rule });
  try {
    const { registry, repository } = parseReference(text);
    return { registry, repository, isInsecure };
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    throw unusable(name, text, { rule, cause });
  }
}

function unusable(
  name: string,
  text: string,
  { rule, cause }: { readonly rule: RegistryRule; readonly cause?: unknown },
): EngineError {
  return new EngineError(
    'CONFIG_INVALID',
    `${quote(rule.file)} makes ${quote(text)} of ${quote(name)}, which is no reference with a registry`,
    { cause },
  );
}

function blocked(name: string, rule: RegistryRule): EngineError {
  return new EngineError(
    'REGISTRY_BLOCKED',
    `${quote(name)} may not be used: ${quote(rule.file)} blocks ${quote(rule.prefix)}`,
    {
      hint: `Take "blocked" of the [[registry]] "${rule.prefix}" out of "${rule.file}" if it is meant to be used.`,
    },
  );
}
