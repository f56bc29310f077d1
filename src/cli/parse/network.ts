/** `--network` and the flags about addresses and names. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { quote } from '../../core/errors.ts';
import type {
  ExtraHost,
  NameServerOptions,
  NetworkChoice,
  NetworkJoin,
} from '../../core/runtime/run-options.ts';
import { usageError } from './usage-error.ts';

/** What docker calls the network that we call `default`. */
const DEFAULT_NAMES = ['default', 'bridge'];
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** Flags that go with a single network. */
export interface JoinFlags {
  readonly ips: readonly string[];
  readonly mac: string | undefined;
  readonly aliases: readonly string[];
}

/**
 * All `--network` flags together: `none`, `host`, `container:NAME`, `ns:PATH`, or networks by name,
 * each with `:ip=…,ip6=…,mac=…,alias=…` or in docker's form `name=…,ip=…`. Without any, the default one.
 */
export function parseNetworks(
  texts: readonly string[],
  { ips, mac, aliases }: JoinFlags,
  cwd: string,
): NetworkChoice {
  const [first = 'default'] = texts;
  const hasJoinFlags = ips.length > 0 || mac !== undefined || aliases.length > 0;
  const single = parseSingle(first, cwd);
  if (single !== undefined) {
    if (texts.length > 1) throw usageError(`--network ${quote(first)} cannot be combined.`);
    if (hasJoinFlags) {
      throw usageError(
        `--ip, --mac-address and --network-alias cannot go with --network ${quote(first)}.`,
      );
    }
    return single;
  }
  const names = texts.length === 0 ? [first] : texts;
  if (hasJoinFlags && names.length > 1) {
    throw usageError('--ip, --mac-address and --network-alias need a single --network.', {
      hint: 'Write them with each network: --network NAME:ip=10.0.0.5,alias=web',
    });
  }
  const joins = names.map((text) => parseJoin(text, { ips, mac, aliases }));
  const joined = joins.map(({ name }) => name);
  const twice = joined.find((name, index) => joined.indexOf(name) !== index);
  if (twice !== undefined) throw usageError(`--network ${quote(twice)} is given twice.`);
  return { kind: 'own', joins };
}

/** What leaves no room for another network. */
function parseSingle(text: string, cwd: string): NetworkChoice | undefined {
  if (text === 'none' || text === 'host') return text;
  const [, kind, value = ''] = /^(container|ns):(.*)$/.exec(text) ?? [];
  if (kind === undefined) return undefined;
  if (value === '') throw usageError(`--network ${quote(text)} names nothing after the colon.`);
  return kind === 'container'
    ? { kind: 'container', container: value }
    : { kind: 'path', path: resolve(cwd, value) };
}

/** One network by name, with its own options and those of the flags. */
export function parseJoin(text: string, flags: JoinFlags): NetworkJoin {
  const { name, values } = splitJoin(text);
  if (!NAME.test(name) || /^(none|host)$/.test(name)) {
    throw usageError(`--network ${quote(text)} has no name that a network can have.`, {
      hint: 'Networks are none, host, container:NAME, ns:PATH, default, and those of "dray network list".',
    });
  }
  const of = (key: string): string[] => values.filter(([each]) => each === key).map(([, v]) => v);
  const [mac] = [
    ...(flags.mac === undefined ? [] : [flags.mac]),
    ...of('mac'),
    ...of('mac-address'),
  ];
  return {
    name: DEFAULT_NAMES.includes(name) ? 'default' : name,
    ips: [...of('ip'), ...of('ip6'), ...flags.ips].map((each) => parseIp(each, '--ip')),
    aliases: [...of('alias'), ...flags.aliases].map(parseAlias),
    ...(mac === undefined ? {} : { mac: parseMac(mac) }),
  };
}

/** `NAME`, `NAME:KEY=VALUE,…`, or docker's `name=NAME,KEY=VALUE,…`. */
function splitJoin(text: string) {
  const colon = text.indexOf(':');
  const equals = text.indexOf('=');
  const isDockers = equals >= 0 && (colon < 0 || equals < colon);
  const options = isDockers ? text : colon < 0 ? '' : text.slice(colon + 1);
  const values = options === '' ? [] : options.split(',').map((each) => splitOption(each, text));
  const named = values.find(([key]) => key === 'name')?.[1] ?? '';
  return { name: isDockers ? named : colon < 0 ? text : text.slice(0, colon), values };
}

const OPTIONS = ['name', 'ip', 'ip6', 'mac', 'mac-address', 'alias'];

function splitOption(text: string, whole: string): readonly [string, string] {
  const equals = text.indexOf('=');
  const key = text.slice(0, Math.max(equals, 0));
  if (!OPTIONS.includes(key)) {
    throw usageError(`--network ${quote(whole)} has the unknown option ${quote(text)}.`, {
      hint: 'Options are ip=, ip6=, mac= and alias=.',
    });
  }
  return [key, text.slice(equals + 1)];
}

function parseIp(text: string, flag: string): string {
  if (isIP(text) === 0) throw usageError(`${flag} ${quote(text)} is not an address.`);
  return text;
}

function parseMac(text: string): string {
  const isMulticast = (Number.parseInt(text.slice(0, 2), 16) & 1) === 1;
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text) || isMulticast) {
    throw usageError(`--mac-address ${quote(text)} is not the address of an interface.`, {
      hint: 'Write six pairs of digits, the first one even: 02:42:ac:11:00:02',
    });
  }
  return text.replaceAll('-', ':').toLowerCase();
}

const HOST_NAME = /^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?$/;

function parseAlias(text: string): string {
  return parseName(text, '--network-alias');
}

/** A name that is written into files. */
export function parseName(text: string, flag: string): string {
  if (!HOST_NAME.test(text)) throw usageError(`${flag} ${quote(text)} is not a host name.`);
  return text;
}

/** `--add-host`: `NAME:ADDRESS` or `NAME=ADDRESS`; the address may be `host-gateway`. */
export function parseAddHost(text: string): ExtraHost {
  const [, name = '', value = ''] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  const address = value.replace(/^\[(.*)\]$/, '$1');
  if (address !== 'host-gateway' && isIP(address) === 0) {
    throw usageError(`--add-host ${quote(text)} is not NAME:ADDRESS.`, {
      hint: 'For the host itself: --add-host host.docker.internal:host-gateway',
    });
  }
  return { name: parseName(name, '--add-host'), address };
}

/** `--dns`, `--dns-search` and `--dns-option`; undefined without any. */
export function parseNameServers(
  servers: readonly string[] | undefined,
  search: readonly string[] | undefined,
  options: readonly string[] | undefined,
): NameServerOptions | undefined {
  if (servers === undefined && search === undefined && options === undefined) return undefined;
  return {
    ...(servers === undefined ? {} : { servers: servers.map((text) => parseIp(text, '--dns')) }),
    ...(search === undefined
      ? {}
      : {
          search: search.map((text) => (text === '.' ? text : parseName(text, '--dns-search'))),
        }),
    ...(options === undefined ? {} : { options: options.map(parseDnsOption) }),
  };
}

function parseDnsOption(text: string): string {
  if (!/^[a-z0-9-]+(:\d+)?$/i.test(text)) {
    throw usageError(`--dns-option ${quote(text)} is not an option of resolv.conf(5).`);
  }
  return text;
}
