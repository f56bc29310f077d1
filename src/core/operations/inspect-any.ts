/** `inspect`: a container, an image or a volume, whichever a name means. */
import { EngineError, quote } from '../errors.ts';
import type { Engine } from './engine.ts';
import { type ContainerInspection, inspectContainer } from './inspect-container.ts';
import { type ImageInspection, inspectImage } from './inspect-image.ts';
import { inspectVolumes, type VolumeInfo } from './list-volumes.ts';

/** The kinds of things, in the order in which a name is looked up. */
export const INSPECTED_KINDS = ['container', 'image', 'volume'] as const;

/** One of `INSPECTED_KINDS`. */
export type InspectedKind = (typeof INSPECTED_KINDS)[number];

/** What a name means. */
export type Inspection =
  | { readonly kind: 'container'; readonly container: ContainerInspection }
  | { readonly kind: 'image'; readonly image: ImageInspection }
  | { readonly kind: 'volume'; readonly volume: VolumeInfo };

/** What is looked for. */
export interface InspectOptions {
  /** Undefined: any. */
  readonly kind?: InspectedKind | undefined;
  /** Of containers. */
  readonly withSizes?: boolean;
}

/**
 * Takes no lock.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND` when nothing is called so; with a kind the error of that
 *   kind; `IMAGE_AMBIGUOUS`, `STORE_CORRUPT`
 */
export function inspectAny(
  engine: Engine,
  input: string,
  options: InspectOptions = {},
): Inspection {
  const { kind } = options;
  if (kind !== undefined) return inspectKind(engine, input, { ...options, kind });
  for (const each of INSPECTED_KINDS) {
    try {
      return inspectKind(engine, input, { ...options, kind: each });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  throw new EngineError(
    'CONTAINER_NOT_FOUND',
    `there is no container, image or volume ${quote(input)}`,
    { hint: 'Run "dray list", "dray image list" or "dray volume list" to see what there is.' },
  );
}

function inspectKind(
  engine: Engine,
  input: string,
  { kind, withSizes = false }: InspectOptions & { readonly kind: InspectedKind },
): Inspection {
  if (kind === 'container') {
    return { kind, container: inspectContainer(engine, input, { withSizes }) };
  }
  if (kind === 'image') return { kind, image: inspectImage(engine, input) };
  const [volume] = inspectVolumes(engine, [input]);
  if (volume !== undefined) return { kind, volume };
  throw new EngineError('VOLUME_NOT_FOUND', `there is no volume ${quote(input)}`);
}

/** Names of volumes have rules of their own: what breaks them is no volume. */
function isNotFound(error: unknown): boolean {
  const codes = ['CONTAINER_NOT_FOUND', 'IMAGE_NOT_FOUND', 'VOLUME_NOT_FOUND', 'USAGE_INVALID'];
  return error instanceof EngineError && codes.includes(error.code);
}
