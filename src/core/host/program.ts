/** Looking for programs. */
import { accessSync, constants, statSync } from 'node:fs';

/** Whether a file that we may execute is at `path`. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Whatever the reason, it is not a program that we can run.
    return false;
  }
}
