/** Content descriptors (image-spec `descriptor.md`). */
import type { Digest } from './digest.ts';
import type { Platform } from './platform.ts';

/** What points to a blob: what it is, which bytes it has and how many. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes of the blob: an integer from 0 to 2^53-1. */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}
