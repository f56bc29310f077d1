/** Fetching a name without a registry: in the registries of the search list, one after the other. */
import { EngineError, type ErrorCode, quote } from '../errors.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { OnProgress, OperationOptions } from '../progress.ts';
import { expandShortName } from '../registry/short-names.ts';
import type { EngineSettings } from './engine.ts';
import { registriesConfOf } from './registry-connection.ts';

/** What says that an image is not there, or that nobody can know. */
const NOT_THERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REGISTRY_NOT_FOUND',
  'REGISTRY_UNAUTHORIZED',
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_RESPONSE_INVALID',
  'REGISTRY_BLOCKED',
]);

/**
 * The references that a short name may mean, in the order in which they are to be tried.
 *
 * @throws EngineError `REFERENCE_INVALID`, `CONFIG_INVALID`, `PERMISSION_DENIED`
 */
export async function candidatesOf(
  shortName: string,
  settings: EngineSettings,
): Promise<readonly [Reference, ...Reference[]]> {
  return expandShortName(shortName, await registriesConfOf(settings));
}

/**
 * Fetches the first candidate that its registry has. Once the manifest of one is known, that is the
 * image: whatever fails then is an error, and no other registry's image of that name takes its place.
 *
 * @param fetch fetches one of them, and reports its progress to what it is given.
 * @throws EngineError what the only candidate threw; of several an error that lists all.
 */
export async function fetchFirst<T>(
  candidates: readonly Reference[],
  { onProgress }: OperationOptions,
  fetch: (reference: Reference, onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  const failures: { readonly name: string; readonly error: EngineError }[] = [];
  for (const candidate of candidates) {
    let isFound = false;
    try {
      return await fetch(candidate, (event) => {
        isFound ||= event.type === 'resolved';
        onProgress?.(event);
      });
    } catch (error) {
      if (isFound || !(error instanceof EngineError) || !NOT_THERE.has(error.code)) throw error;
      failures.push({ name: formatReference(candidate), error });
    }
  }
  throw noneFound(failures);
}

function noneFound(
  failures: readonly { readonly name: string; readonly error: EngineError }[],
): EngineError {
  const [first] = failures;
  if (first === undefined) return new EngineError('REFERENCE_INVALID', 'there is nothing to fetch');
  if (failures.length === 1) return first.error;
  const list = failures.map(({ name, error }) => `${quote(name)}: ${error.message}`);
  // That one registry lacks it says little while another one could not be asked.
  const told = failures.find(({ error }) => error.code !== 'REGISTRY_NOT_FOUND') ?? first;
  return new EngineError(
    told.error.code,
    `none of the ${failures.length} registries that are searched gave the image: ${list.join('; ')}`,
    { cause: told.error, hint: 'Write the name in full, with its registry.' },
  );
}
