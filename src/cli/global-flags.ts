/** Flags that every command takes, before or after its name. */
import * as Flags from '@oclif/core/flags';

/** oclif help group by which the argument pre-pass knows them too. */
export const GLOBAL_GROUP = 'GLOBAL';

const helpGroup = GLOBAL_GROUP;

/** The global flags. Their environment variables are read in `settings.ts`. */
export const globalFlags = {
  root: Flags.string({
    description: 'keep images and containers in DIR (DRAY_ROOT; default /var/lib/dray)',
    helpValue: 'DIR',
    helpGroup,
  }),
  'insecure-registry': Flags.string({
    description:
      'speak plain HTTP to this registry host; may be given again (DRAY_INSECURE_REGISTRIES)',
    helpValue: 'HOST',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup,
  }),
  'rootfs-backend': Flags.string({
    description: 'how root file systems are mounted, instead of what probing finds',
    options: ['erofs', 'erofs-loop', 'directory'],
    helpGroup,
  }),
  quiet: Flags.boolean({ char: 'q', description: 'show no progress', helpGroup }),
  debug: Flags.boolean({ description: 'show causes and stacks of errors', helpGroup }),
};
