/** Flags of commands that speak to a registry. Their environment variables are read in `settings.ts`. */
import * as Flags from '@oclif/core/flags';

/** `--authfile` and `--cert-dir`, as podman has them. */
export const registryFlags = {
  authfile: Flags.string({
    description: 'read credentials from this file alone (REGISTRY_AUTH_FILE)',
    helpValue: 'FILE',
  }),
  'cert-dir': Flags.string({
    description: "use the certificates in DIR instead of /etc/containers/certs.d/HOST and docker's",
    helpValue: 'DIR',
  }),
};
