/** The two ways in which the bytes of a layer can be wrong. `ingestLayer` adds the layer's label. */
import { EngineError, quoteBytes } from '../errors.ts';

/** The layer as a whole cannot be read: `why` is the rest of a sentence about it. */
export function invalidLayer(why: string, cause?: unknown): EngineError {
  return new EngineError('LAYER_INVALID', why, cause === undefined ? {} : { cause });
}

/** One entry asks for something that dray does not do; `why` is the rest of a sentence about it. */
export function rejectedEntry(name: string, why: string): EngineError {
  return new EngineError('LAYER_ENTRY_REJECTED', `entry ${quoteBytes(name)} ${why}`);
}
