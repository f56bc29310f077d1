/**
 * /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: files of the bundle, bound over
 * whatever the image has, writable, owned by root.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';

const LOOPBACK_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** What the files depend on. */
export interface EtcFilesInput {
  readonly bundleDir: string;
  readonly hostname: string;
  readonly network: 'none' | 'host';
}

/**
 * Writes the files and returns them by destination. With the host's network the container gets
 * copies of the host's own; a change in one is not seen in the other.
 */
export function writeEtcFiles(input: EtcFilesInput): ReadonlyMap<string, string> {
  const hosts =
    input.network === 'host'
      ? readIfPresent('/etc/hosts')
      : `${LOOPBACK_HOSTS}127.0.1.1\t${input.hostname}\n`;
  const files = new Map([
    ['/etc/hosts', hosts],
    ['/etc/hostname', `${input.hostname}\n`],
    ['/etc/resolv.conf', readIfPresent('/etc/resolv.conf')],
  ]);
  return new Map(
    Array.from(files, ([destination, content]) => {
      const file = join(input.bundleDir, destination.replace('/etc/', ''));
      writeFileSync(file, content);
      // Whatever our umask is: the container's user must be able to read it.
      chmodSync(file, 0o644);
      return [destination, file];
    }),
  );
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return '';
    }
    throw error;
  }
}
