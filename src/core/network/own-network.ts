/** The CNI configuration of a network that dray has made. Pure. */
import { parseSubnet } from './addresses.ts';
import type { CniNetwork } from './cni-config.ts';
import type { NetworkRecord } from './network-record.ts';

const VERSION = '1.0.0';

/**
 * A bridge whose addresses host-local gives out, below `leasesDir`. What leaves the network, and what
 * is published, is the work of `rules.ts`: the plugins firewall and portmap and the bridge's own
 * masquerading start iptables a dozen times for each container, which costs more than all the rest
 * (docs/decisions/0010).
 */
export function ownCniNetwork(record: NetworkRecord, leasesDir: string): CniNetwork {
  const routes = record.isInternal
    ? []
    : record.subnets.map(({ subnet }) => ({
        dst: parseSubnet(subnet)?.version === 6 ? '::/0' : '0.0.0.0/0',
      }));
  return {
    name: record.name,
    cniVersion: VERSION,
    cniVersions: [],
    isCheckDisabled: false,
    plugins: [
      {
        type: 'bridge',
        bridge: record.bridge,
        isGateway: true,
        hairpinMode: true,
        ipMasq: false,
        capabilities: { ips: true, mac: true },
        ipam: {
          type: 'host-local',
          dataDir: leasesDir,
          ranges: record.subnets.map(({ subnet, gateway }) => [{ subnet, gateway }]),
          routes,
        },
      },
    ],
  };
}
