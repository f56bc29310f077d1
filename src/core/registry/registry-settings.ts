/** What the surroundings say about registries: files, variables, directories. Nothing is read here. */

/** A file with credentials. */
export interface AuthFile {
  readonly path: string;
  /**
   * Whose rules its keys follow: in docker's a path behind the host is ignored, in podman's it limits
   * the entry to the repositories below it.
   */
  readonly format: 'docker' | 'podman';
  /** Whether somebody named the file, so that a missing one is an error when it is read. */
  readonly isNamed: boolean;
}

/** Proxies as the variables of the same names have them; undefined and empty mean none. */
export interface ProxySettings {
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  /** For a scheme that has no proxy of its own. */
  readonly all?: string | undefined;
  /** Hosts that are spoken to directly, as NO_PROXY lists them. */
  readonly none?: string | undefined;
}

/** Where certificates are. Paths are absolute. */
export interface CertificateSettings {
  /** Directories with a directory `HOST[:PORT]` for each registry, in the order of search. */
  readonly hostDirs: readonly string[];
  /** A directory whose certificates serve for every registry, instead of `hostDirs`. */
  readonly certDir?: string | undefined;
  /** Bundles of authorities that are trusted beside Node's own; those that are missing are skipped. */
  readonly bundles: readonly string[];
  /** `SSL_CERT_FILE`: the authorities to trust instead of the bundles and Node's own. */
  readonly caFile?: string | undefined;
  /** `SSL_CERT_DIR`: directories with authorities, separated by colons; like `caFile`, and beside it. */
  readonly caDirs?: readonly string[] | undefined;
}

/** What is known about registries before any is spoken to. */
export interface RegistrySettings {
  /** In the order of search; the first that has an entry for the repository counts. */
  readonly authFiles: readonly AuthFile[];
  /** Where `login` writes. */
  readonly loginFile: AuthFile | undefined;
  /**
   * The environment of credential helpers, which are looked up in its PATH. A function, because it
   * may hold secrets and is rarely asked for.
   */
  readonly helperEnvironment: () => Readonly<Record<string, string>>;
  /** How long a credential helper may take; 30 s when absent. */
  readonly helperTimeoutMs?: number | undefined;
  readonly proxies: ProxySettings;
  readonly certificates: CertificateSettings;
}

/** No credentials, no proxies, and no certificates but Node's own. */
export const NO_REGISTRY_SETTINGS: RegistrySettings = {
  authFiles: [],
  loginFile: undefined,
  helperEnvironment: () => ({}),
  proxies: {},
  certificates: { hostDirs: [], bundles: [] },
};
