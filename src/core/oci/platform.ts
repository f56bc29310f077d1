/** Platforms (image-spec `image-index.md`, property `platform`). */

/** An operating system and processor, with the variant where the architecture has several. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}
