/** Container ids and names. Both become parts of paths, so nothing is joined before it is parsed here. */
import { randomBytes } from 'node:crypto';
import { EngineError, quote } from '../errors.ts';

/** 64 lower-case hexadecimal digits. */
export type ContainerId = string & { readonly __brand: 'ContainerId' };

const LONGEST_NAME = 128;

/** A new random id. */
export function newContainerId(): ContainerId {
  return randomBytes(32).toString('hex') as ContainerId;
}

/** Whether `text` is a whole container id. */
export function isContainerId(text: unknown): text is ContainerId {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
}

/** Whether `text` can be the name of a container. */
export function isContainerName(text: string): boolean {
  const isClean = text.length <= LONGEST_NAME && /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(text);
  return isClean && !isContainerId(text);
}

/**
 * Checks the name that a user gives to a container: `[A-Za-z0-9][A-Za-z0-9_.-]*`, at most 128
 * characters, and not of the form of an id.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function parseContainerName(text: string): string {
  if (isContainerName(text)) return text;
  throw new EngineError(
    'USAGE_INVALID',
    `${quote(text)} cannot be the name of a container; expected 1 to ${LONGEST_NAME} letters, digits, "_", "." and "-", the first one a letter or digit, and not a whole container id`,
  );
}
