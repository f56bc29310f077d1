/**
 * Where a registry is, and where plain HTTP may be spoken.
 *
 * Plain HTTP is decided before anything is sent, never as a fallback: a loopback host (127.0.0.0/8,
 * ::1, localhost) and a host that the user listed as insecure get http, all others https.
 */

import { hideSecrets } from '../errors.ts';

/** The host that serves docker.io's images. */
const DOCKER_HUB = 'registry-1.docker.io';

/**
 * The URL below which a registry answers.
 *
 * @param registry host with an optional port, as in a reference.
 * @param insecureRegistries hosts with their port.
 */
export function endpointOf(registry: string, insecureRegistries: readonly string[]): URL {
  const host = registry === 'docker.io' ? DOCKER_HUB : registry;
  const asHttp = new URL(`http://${host}/`);
  return isPlainHttpAllowed(asHttp, insecureRegistries) ? asHttp : new URL(`https://${host}/`);
}

/** Whether plain HTTP may be spoken with the host of `url`. */
export function isPlainHttpAllowed(url: URL, insecureRegistries: readonly string[]): boolean {
  return isLoopback(url.hostname) || isListed(url, insecureRegistries);
}

/** Whether an http URL is at one of these hosts, whatever their case; `HOST:80` and `HOST` are one. */
export function isListed({ host }: URL, registries: readonly string[]): boolean {
  return registries.some((listed) => {
    const text = `http://${listed}`;
    return /^[^/?#@\\\s]+$/.test(listed) && URL.canParse(text) && new URL(text).host === host;
  });
}

/** Whether a host of a URL is this machine, by its name alone. */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname === '[::1]' ||
    /^127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$/.test(hostname)
  );
}

/**
 * Says why a URL that a registry named may not be visited, or nothing when it may.
 *
 * Only https, and http where the registry itself is spoken to in http and the host is one for which
 * plain HTTP is allowed; never user information.
 */
export function refusalOf(
  target: URL,
  from: URL,
  insecureRegistries: readonly string[],
): string | undefined {
  if (target.username !== '' || target.password !== '') return 'it has user information';
  if (target.protocol === 'https:') return undefined;
  if (target.protocol !== 'http:') return 'it is neither https nor http';
  if (from.protocol !== 'http:') return 'it leads from https to http';
  if (isPlainHttpAllowed(target, insecureRegistries)) return undefined;
  return 'plain http is only spoken with loopback hosts and listed insecure registries';
}

/** A URL for messages: without user information, query and fragment, and without secrets we know. */
export function redactUrl(url: URL): string {
  const query = url.search === '' ? '' : '?…';
  return hideSecrets(`${url.protocol}//${url.host}${url.pathname}${query}`);
}
