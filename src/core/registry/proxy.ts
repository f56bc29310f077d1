/**
 * Which proxy a request goes through, by the rules of curl and of Go's programs.
 *
 * `NO_PROXY` is a list, separated by commas, of
 *
 *     *                 everything
 *     HOST[:PORT]       that host, and its sub-domains when it is a name
 *     .DOMAIN[:PORT]    the sub-domains alone; `*.DOMAIN` is the same
 *     ADDRESS[/BITS]    an address, or a network of them
 *
 * Names are not resolved for it. Loopback hosts are never spoken to through a proxy.
 */
import { BlockList, isIP } from 'node:net';
import { EngineError, hideInMessages } from '../errors.ts';
import { basicHeader } from './credentials.ts';
import { isLoopback } from './endpoint.ts';
import type { ProxySettings } from './registry-settings.ts';

/** A proxy that requests go through. */
export interface ProxyServer {
  /** With user name and password, for whoever connects; never for messages. */
  readonly url: URL;
  /** For messages. */
  readonly host: string;
}

/**
 * The proxy for a URL; undefined when its host is spoken to directly.
 *
 * @throws EngineError `CONFIG_INVALID` for a proxy that is no URL or of an unknown kind.
 */
export function proxyFor(url: URL, settings: ProxySettings): ProxyServer | undefined {
  const isTls = url.protocol === 'https:';
  const own = isTls ? settings.https : settings.http;
  const value = own || settings.all;
  if (!value || isLoopback(url.hostname) || isExempt(url, settings.none ?? '')) return undefined;
  return parseProxy(value, own ? (isTls ? 'HTTPS_PROXY' : 'HTTP_PROXY') : 'ALL_PROXY');
}

function parseProxy(value: string, variable: string): ProxyServer {
  const text = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(value) ? value : `http://${value}`;
  // The value is not shown: it may hold a password.
  if (!URL.canParse(text)) throw invalidProxy(variable, 'is not a URL such as http://HOST:PORT');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalidProxy(
      variable,
      `names a proxy of the kind "${url.protocol.slice(0, -1)}"; expected "http" or "https"`,
    );
  }
  hideProxyPassword(url, variable);
  return { url, host: url.host };
}

function hideProxyPassword({ username, password }: URL, variable: string): void {
  try {
    const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
    hideInMessages(secret);
    if (secret !== '') hideInMessages(basicHeader(user, secret).slice('Basic '.length));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw invalidProxy(variable, 'has user information that is not percent-encoded');
  }
}

function invalidProxy(variable: string, why: string): EngineError {
  return new EngineError('CONFIG_INVALID', `the proxy in ${variable} cannot be used: it ${why}`);
}

function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return isInNetwork(host, entry);
  const { name, wantedPort } = splitPort(entry);
  if (wantedPort !== undefined && wantedPort !== port) return false;
  if (isIP(name) !== 0)
    return isIP(host) !== 0 && isInNetwork(host, `${name}/${isIP(name) === 4 ? 32 : 128}`);
  const domain = name.replace(/^\*?\./, '');
  return host.endsWith(`.${domain}`) || (domain === name && host === domain);
}

function splitPort(entry: string): { name: string; wantedPort: string | undefined } {
  if (isIP(entry) !== 0) return { name: entry, wantedPort: undefined };
  const match = /^\[?([^\]]*?)\]?(?::([0-9]+))?$/.exec(entry);
  return { name: match?.[1] ?? entry, wantedPort: match?.[2] };
}

function isInNetwork(host: string, network: string): boolean {
  const [, address = '', bits = ''] = /^([^/]+)\/([0-9]{1,3})$/.exec(network) ?? [];
  const version = isIP(address);
  if (version === 0 || isIP(host) === 0 || Number(bits) > (version === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}
