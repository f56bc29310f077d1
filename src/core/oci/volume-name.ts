/** Names of volumes, as docker has them. Pure. */

/** 64 hexadecimal digits: how a volume is called that nobody named. */
const ANONYMOUS = /^[0-9a-f]{64}$/;
/** Two characters at least, and never one that a path could be led away with. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{1,254}$/;

/** What a name may be, for the hints of errors. */
export const VOLUME_NAME_RULE =
  '2 to 255 letters, digits, "_", "." and "-", the first one a letter or digit';

/** Whether `text` can be the name of a volume; it is then safe as the name of a file. */
export function isVolumeName(text: string): boolean {
  return NAME.test(text);
}

/** Whether `text` has the form of the names that dray makes up. */
export function isAnonymousVolumeName(text: string): boolean {
  return ANONYMOUS.test(text);
}
