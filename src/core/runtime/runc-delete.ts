/** Removing what runc holds of a container. */
import { EngineError } from '../errors.ts';
import { callRunc, runcCommand } from './runc-program.ts';

/**
 * Kills and removes whatever runc holds of a container, such as one whose supervisor is gone.
 * Idempotent: nothing there is fine.
 *
 * @throws EngineError `RUNTIME_FAILED` with runc's words
 */
export async function deleteContainer(
  runc: { readonly runcPath: string; readonly runtimeRoot: string },
  containerId: string,
): Promise<void> {
  const end = await callRunc(runcCommand(runc, 'delete', '--force', containerId));
  if (end.status !== 0) {
    throw new EngineError(
      'RUNTIME_FAILED',
      `runc could not remove the container ${containerId}: ${end.stderr.toString('utf8').trim()}`,
    );
  }
}
