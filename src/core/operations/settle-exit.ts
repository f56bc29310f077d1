/** Writing down how a run ended. */
import type { Container } from '../container/container-store.ts';
import type { ContainerExit } from '../runtime/runc.ts';

/**
 * For those who ask later, and for those who wait already. A container that is removed at once is
 * told of only to the latter.
 *
 * @throws SystemCallError
 */
export function settleExit(container: Container, exit: ContainerExit, removeOnExit: boolean): void {
  const { status, signal, isOutOfMemory, failure } = exit;
  const end = {
    status,
    ...(signal === undefined ? {} : { signal }),
    finishedAt: new Date(),
    ...(isOutOfMemory === true ? { isOutOfMemory } : {}),
    ...(failure === undefined ? {} : { error: failure.message }),
  };
  if (!removeOnExit) container.recordExit(end);
  container.announceExit(end);
}
