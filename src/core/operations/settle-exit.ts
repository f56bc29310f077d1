/** Writing down how a run ended. */
import type { Container } from '../container/container-store.ts';
import type { ContainerExit } from '../runtime/runc.ts';

/** For those who ask later, and for those who wait already. @throws SystemCallError */
export function settleExit(container: Container, exit: ContainerExit): void {
  const { status, signal, isOutOfMemory, failure } = exit;
  container.recordExit({
    status,
    ...(signal === undefined ? {} : { signal }),
    finishedAt: new Date(),
    ...(isOutOfMemory === true ? { isOutOfMemory } : {}),
    ...(failure === undefined ? {} : { error: failure.message }),
  });
}
