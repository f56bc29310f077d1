/**
 * /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: files of the bundle, bound over
 * whatever the image has, writable, owned by root.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import type { RunOptions } from './run-options.ts';

const LOOPBACK_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** An address of `--add-host` that stands for the host. */
export const HOST_GATEWAY = 'host-gateway';

/** What the files depend on. */
export interface EtcFilesInput {
  readonly bundleDir: string;
  readonly hostname: string;
  readonly options: Pick<RunOptions, 'network' | 'nameServers' | 'extraHosts' | 'domainname'>;
}

/**
 * Writes the files and returns them by destination. With the host's network the container gets
 * copies of the host's own; a change in one is not seen in the other. In networks of its own, its
 * addresses are not known yet: the lines for them are added when it joins.
 */
export function writeEtcFiles(input: EtcFilesInput): ReadonlyMap<string, string> {
  const files = new Map([
    ['/etc/hosts', hostsText(input)],
    ['/etc/hostname', `${input.hostname}\n`],
    ['/etc/resolv.conf', resolvText(input)],
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

function hostsText({ hostname, options }: EtcFilesInput): string {
  const { network, domainname, extraHosts = [] } = options;
  const isOwn = typeof network === 'object' && network.kind === 'own';
  const names = hostNames(hostname, domainname).join(' ');
  const base =
    network === 'host'
      ? readIfPresent('/etc/hosts')
      : `${LOOPBACK_HOSTS}${isOwn ? '' : `127.0.1.1\t${names}\n`}`;
  const extra = extraHosts
    // Of networks, the host's address is known only when they are joined.
    .filter(({ address }) => !isOwn || address !== HOST_GATEWAY)
    .map(({ address, name }) => `${address === HOST_GATEWAY ? '127.0.0.1' : address}\t${name}\n`);
  const rest = base === '' || base.endsWith('\n') ? base : `${base}\n`;
  return rest + extra.join('');
}

/** What leads to a container itself: the whole name first, as hosts(5) wants it. */
export function hostNames(hostname: string, domainname: string | undefined): string[] {
  return domainname === undefined ? [hostname] : [`${hostname}.${domainname}`, hostname];
}

const SYSTEMD_RESOLV_CONF = '/run/systemd/resolve/resolv.conf';
const SYSTEMD_STUB = '127.0.0.53';
/** What docker falls back to as well. */
const PUBLIC_SERVERS = ['8.8.8.8', '8.8.4.4'];

function resolvText({ options }: EtcFilesInput): string {
  const { network, nameServers } = options;
  const host = readIfPresent('/etc/resolv.conf');
  const isPrivate = network !== 'host' && network !== 'none';
  const text = isPrivate ? withoutLoopback(host, () => readIfPresent(SYSTEMD_RESOLV_CONF)) : host;
  return nameServers === undefined ? text : withNameServers(text, nameServers);
}

/**
 * resolv.conf(5) of the host for a container with a loopback of its own: servers on the host's cannot
 * be reached. Behind the stub of systemd-resolved are the servers that it asks itself; where nothing
 * is left, public ones are named.
 */
export function withoutLoopback(host: string, readSystemd: () => string): string {
  const servers = fields(host, 'nameserver');
  const isStub = servers.length === 1 && servers[0] === SYSTEMD_STUB;
  const real = isStub ? readSystemd() : '';
  const text = real === '' ? host : real;
  const usable = fields(text, 'nameserver').filter((server) => !isLoopback(server));
  if (usable.length === fields(text, 'nameserver').length && usable.length > 0) return text;
  return withNameServers(text, { servers: usable.length > 0 ? usable : PUBLIC_SERVERS });
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** `text` with these servers, search list and options instead of its own; what is absent stays. */
export function withNameServers(
  text: string,
  { servers, search, options }: NonNullable<RunOptions['nameServers']>,
): string {
  const lines = [
    ...(servers ?? fields(text, 'nameserver')).map((server) => `nameserver ${server}`),
    line('search', withoutDot(search) ?? lastOf(text, ['search', 'domain'])),
    line('options', options ?? lastOf(text, ['options'])),
  ].filter((each) => each !== '');
  return lines.map((each) => `${each}\n`).join('');
}

/** `--dns-search .`: none at all. */
function withoutDot(search: readonly string[] | undefined): readonly string[] | undefined {
  return search?.includes('.') === true ? [] : search;
}

function line(keyword: string, values: readonly string[]): string {
  return values.length === 0 ? '' : `${keyword} ${values.join(' ')}`;
}

/** The values of all lines with this keyword. */
function fields(text: string, keyword: string): string[] {
  return linesWith(text, [keyword]).flatMap((values) => values.slice(0, 1));
}

function lastOf(text: string, keywords: readonly string[]): string[] {
  return linesWith(text, keywords).at(-1) ?? [];
}

function linesWith(text: string, keywords: readonly string[]): string[][] {
  return text.split('\n').flatMap((each) => {
    const [keyword = '', ...values] = each
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    return keywords.includes(keyword) ? [values] : [];
  });
}

/** Gives the `resolv.conf` at `path`, which has `text`, the servers that a network brings. */
export function replaceNameServers(
  path: string,
  text: string,
  {
    nameservers,
    search,
    options,
  }: {
    readonly nameservers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  },
): void {
  const more = {
    ...(search.length === 0 ? {} : { search }),
    ...(options.length === 0 ? {} : { options }),
  };
  writeFileSync(path, withNameServers(text, { servers: nameservers, ...more }));
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
