/** Killing a command at many moments, and what must be true after each. */
import assert from 'node:assert/strict';
import { filesBelow } from './e2e.ts';
import type { CliHome } from './run-cli.ts';

/** How many moments a sweep tries. */
export const KILLS = 50;

/**
 * Moments spread over `work` and a little beyond, in no order: a golden-ratio sequence hits every
 * phase evenly, and the same moments come again when a failure has to be looked at.
 */
export async function momentsOf(work: () => Promise<unknown>): Promise<number[]> {
  const start = performance.now();
  await work();
  const lastMs = (performance.now() - start) * 1.05;
  return Array.from(
    { length: KILLS },
    (_, count) => (((count + 1) * 0.618_033_988_75) % 1) * lastMs,
  );
}

/**
 * Fails unless nothing of `home` is left on the machine, every image is sound, and gc takes the
 * store back to the files that it had `earlier`. `tidy` removes what a finished command added.
 */
export async function assertRecovered(
  home: CliHome,
  earlier: ReadonlyMap<string, number>,
  { when, tidy }: { readonly when: string; readonly tidy?: () => Promise<void> },
): Promise<void> {
  assert.deepEqual(await home.leftovers(), [], when);
  const verified = await home.run(['image', 'verify']);
  assert.equal(verified.status, 0, `${when}: ${verified.stdout}${verified.stderr}`);
  await tidy?.();
  await home.succeed(['image', 'gc']);
  assert.deepEqual(filesBelow(home.dataDir), earlier, when);
}
