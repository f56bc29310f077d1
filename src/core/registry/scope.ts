/**
 * Scopes of tokens (distribution, "Token Scope Documentation"): `repository:NAME:ACTION[,ACTION]`, several
 * separated by spaces.
 */

const REPOSITORY_SCOPE = /^repository:([^: ]+):([A-Za-z,*_-]*)$/;

/** The repository that a scope is for; of several scopes the first, undefined when there is none. */
export function repositoryOf(scope: string): string | undefined {
  return REPOSITORY_SCOPE.exec(scope.split(' ', 1)[0] ?? '')?.[1];
}

/**
 * What we want and what a challenge asks for: each repository once with all its actions, and whatever is
 * no scope of a repository as it is.
 */
export function mergeScopes(wanted: string, challenged: string): string {
  const actions = new Map<string, Set<string>>();
  const others = new Set<string>();
  for (const scope of `${wanted} ${challenged}`.split(' ')) {
    const match = REPOSITORY_SCOPE.exec(scope);
    if (match === null) others.add(scope);
    else {
      const known = actions.get(match[1] ?? '') ?? new Set();
      for (const action of (match[2] ?? '').split(',')) known.add(action);
      actions.set(match[1] ?? '', known);
    }
  }
  const merged = [...actions].map(([name, set]) => `repository:${name}:${[...set].join(',')}`);
  return [...merged, ...others].filter((scope) => scope !== '').join(' ');
}
