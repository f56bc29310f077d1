/**
 * The places that a rule of a policy can be for, as containers-policy.json(5) has them:
 *
 *     registry.example.com:5000/team/app:1.2     one tag, or @sha256:… one digest
 *     registry.example.com:5000/team/app         a repository
 *     registry.example.com:5000/team             all below a namespace
 *     registry.example.com:5000                  a registry
 *     *.example.com                              every registry below a domain, whatever its port
 *
 * Pure.
 */
import { EngineError, quote } from '../errors.ts';
import { parseReference, type Reference } from '../oci/reference.ts';

/** The scopes that a reference lies in, the most specific first. */
export function scopesOf({ registry, repository, tag, digest }: Reference): string[] {
  const name = `${registry}/${repository}`;
  const scopes = [digest === undefined ? `${name}:${tag ?? 'latest'}` : `${name}@${digest}`];
  for (let at = name.length; at > 0; at = name.lastIndexOf('/', at - 1)) {
    scopes.push(name.slice(0, at));
  }
  const host = registry.replace(/:[0-9]+$/, '');
  for (let dot = host.indexOf('.'); dot > 0; dot = host.indexOf('.', dot + 1)) {
    scopes.push(`*${host.slice(dot)}`);
  }
  return scopes;
}

const WILDCARD = /^\*(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/**
 * A prefix as a user types it, in its canonical spelling. A name without a registry is one of Docker
 * Hub, as in a reference: `busybox` is the repository `docker.io/library/busybox`.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function parsePrefix(input: string): string {
  if (WILDCARD.test(input)) return input;
  const isNamespace = input.endsWith('/');
  const text = isNamespace ? input.slice(0, -1) : input;
  const [first = '', ...rest] = text.split('/');
  const hasRegistry = first.includes('.') || first.includes(':') || first === 'localhost';
  const isBareTag = rest.length === 0 && /^[^.:[]+:(?![0-9]+$)/.test(first);
  if (!hasRegistry || isBareTag) return repositoryOf(input, text);
  const registry = first.toLowerCase() === 'index.docker.io' ? 'docker.io' : first.toLowerCase();
  const [name, ...deeper] = rest;
  if (registry === 'docker.io' && name !== undefined && deeper.length === 0 && !isNamespace) {
    throw invalid(input, 'may mean one repository of Docker Hub or all below a namespace', {
      hint: `Write "docker.io/library/${name}" for the repository, "docker.io/${name}/" for the namespace.`,
    });
  }
  const prefix = [registry, ...rest].join('/');
  // What can stand before "/x" in a reference is a registry or a path below one.
  const { registry: host, repository } = parsedOr(input, `${prefix}/x/y`);
  if (`${host}/${repository}` !== `${prefix}/x/y`) {
    throw invalid(input, 'is not a registry, a repository or the beginning of one');
  }
  return prefix;
}

function repositoryOf(input: string, text: string): string {
  const { registry, repository, tag, digest } = parsedOr(input, text);
  if (digest !== undefined || text.lastIndexOf(':') > text.lastIndexOf('/')) {
    throw invalid(input, `has a ${digest === undefined ? `tag (${tag})` : 'digest'}`, {
      hint: 'A rule is for a repository, a namespace or a registry.',
    });
  }
  return `${registry}/${repository}`;
}

function parsedOr(input: string, text: string): Reference {
  try {
    return parseReference(text);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    throw invalid(input, 'is not a registry, a repository or the beginning of one', { cause });
  }
}

function invalid(
  input: string,
  why: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): EngineError {
  return new EngineError('USAGE_INVALID', `the prefix ${quote(input)} ${why}`, options);
}
