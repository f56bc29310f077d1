/** What a process that runs or enters a container is told, as one argument. */
import type { EngineSettings } from '../../../src/core/operations/engine.ts';
import type { EnterOptions } from '../../../src/core/operations/enter-container.ts';
import type { RunOptions } from '../../../src/core/runtime/run-options.ts';

/** What the process is told. */
export type ProcessRequest =
  | { readonly kind: 'pause'; readonly settings: EngineSettings; readonly container: string }
  | { readonly kind: 'run'; readonly settings: EngineSettings; readonly options: RunOptions }
  | {
      readonly kind: 'enter';
      readonly settings: EngineSettings;
      readonly container: string;
      readonly options: EnterOptions;
    };

/** Maps and big integers survive the way through an argument. */
export function encode(request: ProcessRequest): string {
  return JSON.stringify(request, (_key, value: unknown) =>
    value instanceof Map
      ? { map: [...value] }
      : typeof value === 'bigint'
        ? { integer: String(value) }
        : value,
  );
}

/** The inverse of what the process is started with. */
export function decode(argument: string): ProcessRequest {
  return JSON.parse(argument, (_key, value) =>
    Array.isArray(value?.map)
      ? new Map(value.map)
      : typeof value?.integer === 'string'
        ? BigInt(value.integer)
        : value,
  );
}
