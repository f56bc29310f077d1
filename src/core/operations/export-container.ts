/** `export`: the merged root file system of a container as a tar stream. */
import { tarOfLive } from '../rootfs/live-tar.ts';
import { walkLive } from '../rootfs/live-tree.ts';
import { openContainerView } from './container-view.ts';
import type { Engine } from './engine.ts';

/**
 * The bytes of a tar file with every path of the container's root, running or not. Volumes and other
 * mounts are not in it, nor are sockets. What changes meanwhile is there in one of its states.
 *
 * For a container that does not run, this process moves into a private mount namespace.
 *
 * @throws EngineError as `openContainerView`, and the reason of `signal`
 */
export async function* exportContainer(
  engine: Engine,
  input: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Buffer> {
  using view = await openContainerView(engine, input);
  for await (const bytes of tarOfLive(walkLive(view.rootFd))) {
    signal?.throwIfAborted();
    yield bytes;
  }
}
