/** What plugins answer (CNI specification, section 5). Untrusted. */
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import { parseCidr } from './addresses.ts';

/** What of a result the engine uses. */
export interface CniResult {
  /** `ADDRESS/PREFIX`, of the container's own interfaces. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
  /** Of the container's interface. */
  readonly mac?: string;
  readonly dns: CniDns;
}

/** Name servers that a network brings. */
export interface CniDns {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads a result of any version; what is malformed is left out. */
export function parseCniResult(result: JsonObject): CniResult {
  const ips =
    isJsonObject(result.ip4) || isJsonObject(result.ip6) ? oldIps(result) : newIps(result);
  const dns = isJsonObject(result.dns) ? result.dns : {};
  const mac = ownInterfaces(result)
    .map(({ mac: address }) => address)
    .find((address) => typeof address === 'string');
  return {
    addresses: ips.map(({ address }) => address),
    gateways: ips.flatMap(({ gateway }) => gateway ?? []),
    ...(typeof mac === 'string' ? { mac } : {}),
    dns: {
      nameservers: texts(dns.nameservers),
      search: texts(dns.search),
      options: texts(dns.options),
    },
  };
}

interface ResultIp {
  readonly address: string;
  readonly gateway?: string;
}

/** Before 0.3.0. */
function oldIps(result: JsonObject): ResultIp[] {
  return [result.ip4, result.ip6].flatMap((entry) =>
    isJsonObject(entry) ? toIp(entry.ip, entry.gateway) : [],
  );
}

function newIps(result: JsonObject): ResultIp[] {
  const interfaces = Array.isArray(result.interfaces) ? result.interfaces : [];
  const ips = Array.isArray(result.ips) ? result.ips : [];
  return ips.filter(isJsonObject).flatMap((entry) => {
    const own = typeof entry.interface === 'number' ? interfaces[entry.interface] : undefined;
    const isOurs = own === undefined || (isJsonObject(own) && Boolean(own.sandbox));
    return isOurs ? toIp(entry.address, entry.gateway) : [];
  });
}

function toIp(address: unknown, gateway: unknown): ResultIp[] {
  if (typeof address !== 'string' || parseCidr(address) === undefined) return [];
  return [{ address, ...(typeof gateway === 'string' ? { gateway } : {}) }];
}

function ownInterfaces(result: JsonObject): JsonObject[] {
  const interfaces = Array.isArray(result.interfaces) ? result.interfaces : [];
  return interfaces.filter(isJsonObject).filter((each) => Boolean(each.sandbox));
}

function texts(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((each): each is string => typeof each === 'string' && /^\S+$/.test(each))
    : [];
}
