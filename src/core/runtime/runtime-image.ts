/** What the runtime reads of an image config (image-spec `config.md`); all of it is untrusted. */
export interface RuntimeImage {
  readonly architecture: string;
  readonly Entrypoint?: readonly string[] | undefined;
  readonly Cmd?: readonly string[] | undefined;
  readonly Env?: readonly string[] | undefined;
  readonly User?: string | undefined;
  readonly WorkingDir?: string | undefined;
  /** Paths of VOLUME; the values carry nothing. */
  readonly Volumes?: Readonly<Record<string, unknown>> | undefined;
  readonly StopSignal?: string | undefined;
}
