/** A process that ends the container when its supervisor, which is us, was killed. */

/** What the watch must know. */
export interface WatchTarget {
  readonly runcPath: string;
  readonly runtimeRoot: string;
  readonly containerId: string;
}

/** A running watch. */
export interface Watch {
  /** Ends the watch without touching the container. Idempotent. */
  done(): void;
}

/** Starts the watch; call it before runc is started. */
export function startWatch(target: WatchTarget): Watch {
  throw new Error(`not built: ${target.containerId}`);
}
