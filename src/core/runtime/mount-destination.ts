/** Where a mount may go inside a container. */
import { EngineError, quote } from '../errors.ts';
import { isWithin, resolveRootPath } from './root-path.ts';

/** The kernel's own file systems: what is mounted over them hides or forges what they guard. */
export const KERNEL_PATHS = ['/proc', '/sys'];

/**
 * The place of a mount, without links, as the container will see it.
 *
 * It is checked as written and again after links of the image were followed inside the root, so an
 * image cannot turn `/data` into `/proc/sys`. Below /proc and /sys only a privileged container may
 * mount.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function mountDestination(
  rootfsPath: string,
  destination: string,
  { privileged }: { readonly privileged: boolean },
): string {
  const label = `The mount destination ${quote(destination)}`;
  if (!destination.startsWith('/') || destination.includes('\0')) {
    throw new EngineError('USAGE_INVALID', `${label} is not an absolute path.`);
  }
  if (destination.split('/').includes('..')) {
    throw new EngineError('USAGE_INVALID', `${label} must not contain "..".`);
  }
  const resolved = resolveRootPath(rootfsPath, destination);
  if (resolved === '/') {
    throw new EngineError('USAGE_INVALID', `${label} is the root of the container.`);
  }
  const lies = KERNEL_PATHS.find((path) => isWithin(resolved, path));
  if (lies !== undefined && (!privileged || resolved === lies)) {
    const through = resolved === destination ? '' : ` leads to ${quote(resolved)} and`;
    throw new EngineError('USAGE_INVALID', `${label}${through} lies in ${lies}.`, {
      hint: 'Only a container with --privileged may mount below /proc and /sys.',
    });
  }
  return resolved;
}
