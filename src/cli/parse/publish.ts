/** `--publish` and `--expose`: ports, in docker's forms. */
import { isIP } from 'node:net';
import { quote } from '../../core/errors.ts';
import type { ContainerPort, PublishRequest } from '../../core/runtime/run-options.ts';
import { usageError } from './usage-error.ts';

const LARGEST_PORT = 65_535;
const MOST_PORTS = 1000;
const FORMS =
  'Forms are 80, 8080:80, 127.0.0.1:8080:80, 127.0.0.1::80, 8000-8010:80-90 and 53:53/udp.';

/**
 * One `--publish`: `[[ADDRESS:][HOST_PORTS]:]PORTS[/PROTOCOL]`. Two ranges of one length go together
 * one by one; of a range for a single port any is taken.
 */
export function parsePublishFlag(text: string): PublishRequest[] {
  const [, host = '', ports = '', protocolText = 'tcp'] =
    /^(?:(.*):)?([\d-]+)(?:\/(\w+))?$/.exec(text) ?? [];
  const protocol = parseProtocol(protocolText, text, '--publish');
  const container = parseRange(ports, text);
  const { hostIp, range } = parseHost(host, text);
  const address = hostIp === undefined ? {} : { hostIp };
  const count = container[1] - container[0] + 1;
  if (range === undefined || count === 1) {
    const hostPorts = range ?? ([0, 0] as const);
    return listed(container, (containerPort) => ({
      protocol,
      ...address,
      hostPorts,
      containerPort,
    }));
  }
  if (range[1] - range[0] + 1 !== count) {
    throw wrong(text, 'has two ranges of different lengths');
  }
  return listed(container, (containerPort, index) => {
    const hostPort = range[0] + index;
    return { protocol, ...address, hostPorts: [hostPort, hostPort] as const, containerPort };
  });
}

/** One `--expose`: `PORT[-PORT][/PROTOCOL]`. */
export function parseExposeFlag(text: string): ContainerPort[] {
  const [, ports = '', protocolText = 'tcp'] = /^([\d-]+)(?:\/(\w+))?$/.exec(text) ?? [];
  const protocol = parseProtocol(protocolText, text, '--expose');
  return listed(parseRange(ports, text, '--expose'), (containerPort) => ({
    protocol,
    containerPort,
  }));
}

/** `PORT[/PROTOCOL]`: one port of a container. */
export function parseContainerPort(text: string): ContainerPort {
  const [port, ...others] = parseExposeFlag(text);
  if (port === undefined || others.length > 0) throw wrong(text, 'is not a single port', 'port');
  return port;
}

function parseHost(host: string, text: string) {
  const [, bracketed, plain = '', ports] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::([\d-]*))?$/.exec(host) ?? [];
  if (host === '') return {};
  const address = bracketed ?? plain;
  // One part alone is ports, unless it is an address, which then needs a colon behind it.
  if (bracketed === undefined && ports === undefined && /^[\d-]+$/.test(plain)) {
    return { range: parseRange(plain, text) };
  }
  if (isIP(address) === 0 || ports === undefined) throw wrong(text, 'has no usable address');
  const isAny = address === '0.0.0.0';
  const range = ports === '' ? {} : { range: parseRange(ports, text) };
  return { ...(isAny ? {} : { hostIp: address }), ...range };
}

function parseRange(text: string, whole: string, flag = '--publish'): readonly [number, number] {
  const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const range = [Number(first), Number(last)] as const;
  const [from, to] = range;
  if (first === '' || from < 1 || to > LARGEST_PORT || to < from || to - from >= MOST_PORTS) {
    throw wrong(whole, `has ${quote(text)}, which is no port from 1 to 65535`, flag);
  }
  return range;
}

function parseProtocol(text: string, whole: string, flag: string): ContainerPort['protocol'] {
  const protocol = text.toLowerCase();
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp') return protocol;
  throw wrong(whole, `has ${quote(text)}, which is none of tcp, udp and sctp`, flag);
}

function listed<T>(
  [first, last]: readonly [number, number],
  make: (port: number, index: number) => T,
): T[] {
  return Array.from({ length: last - first + 1 }, (_, index) => make(first + index, index));
}

function wrong(text: string, why: string, flag = '--publish') {
  return usageError(`${flag} ${quote(text)} ${why}.`, { hint: FORMS });
}
