/** What a name without a registry may mean: an alias, or the same name in each registry of the search list. Pure. */
import { EngineError, quote } from '../errors.ts';
import { parseReference, type Reference } from '../oci/reference.ts';
import type { RegistriesConf } from './registries-conf.ts';

/**
 * The references to try for a short name, in this order. An alias stands alone: it is an answer.
 *
 * @param input a name for which `isShortName` holds.
 * @throws EngineError `REFERENCE_INVALID` when the name is none, when there is nowhere to look, and
 *   when the mode `enforcing` wants the user to choose, which dray never asks
 */
export function expandShortName(
  input: string,
  { aliases, searchRegistries, shortNameMode }: RegistriesConf,
): readonly [Reference, ...Reference[]] {
  // Refuses a malformed name before it is glued to anything.
  parseReference(input);
  const name = nameOf(input);
  const suffix = input.slice(name.length);
  const alias = aliases.get(name);
  if (alias !== undefined) return [parseReference(alias + suffix)];
  const [first, ...rest] = searchRegistries.map((registry) =>
    parseReference(`${registry}/${input}`),
  );
  if (first === undefined) {
    throw new EngineError(
      'REFERENCE_INVALID',
      `${quote(input)} names no registry, no alias has this name, and registries.conf lists no registries to search`,
      { hint: `Write the name in full, for example "docker.io/${input}".` },
    );
  }
  if (rest.length > 0 && shortNameMode === 'enforcing') {
    const list = searchRegistries.map((registry) => quote(registry)).join(', ');
    throw new EngineError(
      'REFERENCE_INVALID',
      `${quote(input)} names no registry, and short-name-mode "enforcing" does not let dray choose one of ${list}`,
      { hint: `Write the name in full, for example "${searchRegistries[0]}/${input}".` },
    );
  }
  return [first, ...rest];
}

/** Without tag and digest. A short name has no port, so its first colon begins the tag. */
function nameOf(input: string): string {
  const end = input.search(/[:@]/);
  return end < 0 ? input : input.slice(0, end);
}
