/** The names of resource limits (setrlimit(2)), as `--ulimit` and the runtime-spec write them. */

/** The value that stands for "unlimited" in the kernel and in the runtime-spec. */
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/** Names that `--ulimit` takes, with the name in the runtime-spec. */
export const RLIMIT_TYPES: ReadonlyMap<string, string> = new Map(
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'
    .split(' ')
    .map((name) => [name, `RLIMIT_${name.toUpperCase()}`]),
);
