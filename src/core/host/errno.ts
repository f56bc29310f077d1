/** Names and meanings of errno values, in the spelling of Node's own errors. */
import { getSystemErrorMap } from 'node:util';

// What Node's own table lacks and our calls can give.
const MORE_ERRNOS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [10, ['ECHILD', 'no such child process']],
  [15, ['ENOTBLK', 'block device required']],
  [65, ['ENOPKG', 'package not installed']],
  [87, ['EUSERS', 'too many users']],
  [117, ['EUCLEAN', 'the file system structure is damaged']],
  [129, ['EKEYREJECTED', 'key was rejected by service']],
]);

/** The name of an errno value, such as `EPERM`; `errno N` when it has none here. */
export function errnoName(value: number): string {
  const known = getSystemErrorMap().get(-value) ?? MORE_ERRNOS.get(value);
  return known?.[0] ?? `errno ${value}`;
}

/** The name with its meaning in parentheses, if it is known. */
export function describeErrno(name: string): string {
  for (const [known, meaning] of [...getSystemErrorMap().values(), ...MORE_ERRNOS.values()]) {
    if (known === name) {
      return `${name} (${meaning})`;
    }
  }
  return name;
}
