/** `NetworkSettings` of `inspect`, and what of networks stands beside it. */
import type {
  AddressInfo,
  ContainerNetwork,
  NetworkInfo,
  PortInfo,
} from '../core/operations/container-network.ts';
import type { ContainerInspection } from '../core/operations/inspect-container.ts';

/** The networks of a container, in docker's shape. Addresses are there while it runs. */
export function networkSettings({ network }: Pick<ContainerInspection, 'network'>) {
  const { names, networks } = network;
  const first = networks[0] === undefined ? NO_ENDPOINT : endpoint(networks[0]);
  const pending = names.map((name) => [name, NO_ENDPOINT] as const);
  const live = networks.map((each) => [each.name, endpoint(each)] as const);
  return {
    Bridge: '',
    SandboxID: '',
    SandboxKey: '',
    Ports: portMap(network.ports),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: '',
    Gateway: first.Gateway,
    GlobalIPv6Address: first.GlobalIPv6Address,
    GlobalIPv6PrefixLen: first.GlobalIPv6PrefixLen,
    IPAddress: first.IPAddress,
    IPPrefixLen: first.IPPrefixLen,
    IPv6Gateway: first.IPv6Gateway,
    MacAddress: first.MacAddress,
    Networks: new Map([...pending, ...live]),
  };
}

/** Docker's map of ports: `80/tcp` to the host's addresses and ports. */
export function portMap(ports: ContainerNetwork['ports']) {
  const byPort = Map.groupBy(
    ports,
    ({ containerPort, protocol }) => `${containerPort}/${protocol}`,
  );
  return new Map(Array.from(byPort, ([key, bindings]) => [key, bindings.map(binding)] as const));
}

function binding({ hostIp, hostPort }: PortInfo) {
  return { HostIp: hostIp ?? '0.0.0.0', HostPort: String(hostPort) };
}

const NO_ADDRESS: AddressInfo = { address: '', prefixLength: 0, gateway: '', isIpv6: false };
const NO_ENDPOINT = endpoint({ name: '', aliases: [], macAddress: '', addresses: [] });

function endpoint({ aliases, macAddress, addresses }: NetworkInfo) {
  const v4 = addresses.find(({ isIpv6 }) => !isIpv6) ?? NO_ADDRESS;
  const v6 = addresses.find(({ isIpv6 }) => isIpv6) ?? NO_ADDRESS;
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: aliases.length === 0 ? null : aliases,
    MacAddress: macAddress,
    DriverOpts: null,
    NetworkID: '',
    EndpointID: '',
    Gateway: v4.gateway,
    IPAddress: v4.address,
    IPPrefixLen: v4.prefixLength,
    IPv6Gateway: v6.gateway,
    GlobalIPv6Address: v6.address,
    GlobalIPv6PrefixLen: v6.prefixLength,
    DNSNames: null,
  };
}
