/** What `image rm` prints. */
import { escapeControls } from '../core/errors.ts';
import type { Removal } from '../core/operations/remove-images.ts';
import { type ErrorJson, errorJson, reportError } from './error-report.ts';
import { formatImageId } from './image-fields.ts';
import { printLine, writeStderr } from './output.ts';

/** `image rm --json`. */
export interface RemovalJson {
  readonly removed: readonly {
    readonly id: string;
    /** The names it lost. */
    readonly names: readonly string[];
    /** Whether it has other names and so is still there. */
    readonly still_named: boolean;
  }[];
  /** Names whose entries were damaged. */
  readonly damaged_names: readonly string[];
  readonly failures: readonly ({ readonly input: string } & ErrorJson)[];
}

/** Prints what was removed on standard output, and the count and the failures on standard error. */
export async function printRemoval(
  { removed, failures, damagedNames }: Removal,
  options: { readonly isDebug: boolean },
): Promise<void> {
  for (const { imageId, references, isStillNamed } of removed) {
    const id = formatImageId(imageId);
    if (!isStillNamed) printLine(`successfully removed image: "${id}"`);
    else for (const name of references) printLine(`successfully removed name "${name}" of "${id}"`);
  }
  for (const name of damagedNames)
    printLine(`successfully removed damaged name "${escapeControls(name)}"`);
  for (const { error } of failures) await reportError(error, { ...options, isJson: false });
  const images = removed.filter(({ isStillNamed }) => !isStillNamed).length;
  const names = removed.filter(({ isStillNamed }) => isStillNamed);
  const nameCount = names.reduce((count, { references }) => count + references.length, 0);
  if (images > 0) writeStderr(`rm: ${images} image(s) successfully removed\n`);
  if (nameCount > 0) writeStderr(`rm: ${nameCount} name(s) successfully removed\n`);
  if (failures.length > 0) writeStderr(`rm: ${failures.length} image(s) cannot be removed\n`);
}

/** The JSON form of a removal. */
export function removalJson({ removed, failures, damagedNames }: Removal): RemovalJson {
  return {
    removed: removed.map(({ imageId, references, isStillNamed }) => ({
      id: imageId,
      names: references,
      still_named: isStillNamed,
    })),
    damaged_names: damagedNames,
    failures: failures.map(({ input, error }) => ({ input, ...errorJson(error) })),
  };
}
