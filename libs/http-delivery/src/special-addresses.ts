// The addresses that no webhook may go to: own tables, after the IANA special-purpose registries (RFC 6890 and its updates).
import { blockHolds, parseBlock, type IpAddress, type IpBlock } from './ip-address.ts';

/** Why an address is refused. A bounded set: it is a metric label. */
export const ADDRESS_REASONS = [
  'unspecified',
  'loopback',
  'private',
  'shared',
  'link_local',
  'metadata',
  'multicast',
  'broadcast',
  'documentation',
  'benchmarking',
  'tunnel',
  'special_purpose',
  'reserved',
] as const;
export type AddressReason = (typeof ADDRESS_REASONS)[number];

type Table = readonly (readonly [block: string, reason: AddressReason])[];

// IPv4 is a deny list: all of it that is not listed here is in public use. The first block that holds an address names the reason.
const IPV4_DENIED: Table = [
  ['169.254.169.254/32', 'metadata'], // AWS, Azure, Google, Oracle, OpenStack, DigitalOcean
  ['169.254.170.2/32', 'metadata'], // AWS container credentials
  ['169.254.169.123/32', 'metadata'], // AWS time service
  ['168.63.129.16/32', 'metadata'], // Azure's host agent: public space, yet answered by the host itself
  ['100.100.100.200/32', 'metadata'], // Alibaba Cloud
  ['192.0.0.192/32', 'metadata'], // Oracle Cloud, classic
  ['0.0.0.0/32', 'unspecified'],
  ['0.0.0.0/8', 'special_purpose'], // RFC 791: "this network"; Linux takes 0.0.0.0 as loopback
  ['10.0.0.0/8', 'private'], // RFC 1918
  ['100.64.0.0/10', 'shared'], // RFC 6598: carrier-grade NAT
  ['127.0.0.0/8', 'loopback'], // RFC 1122
  ['169.254.0.0/16', 'link_local'], // RFC 3927
  ['172.16.0.0/12', 'private'], // RFC 1918
  ['192.0.0.0/24', 'special_purpose'], // RFC 6890: protocol assignments, DS-Lite, PCP and TURN anycast, NAT64 discovery
  ['192.0.2.0/24', 'documentation'], // RFC 5737
  ['192.31.196.0/24', 'special_purpose'], // RFC 7535: AS112
  ['192.52.193.0/24', 'tunnel'], // RFC 7450: automatic multicast tunnelling
  ['192.88.99.0/24', 'tunnel'], // RFC 7526: 6to4 relays, withdrawn
  ['192.168.0.0/16', 'private'], // RFC 1918
  ['192.175.48.0/24', 'special_purpose'], // RFC 7534: AS112
  ['198.18.0.0/15', 'benchmarking'], // RFC 2544
  ['198.51.100.0/24', 'documentation'], // RFC 5737
  ['203.0.113.0/24', 'documentation'], // RFC 5737
  ['224.0.0.0/4', 'multicast'], // RFC 1112
  ['255.255.255.255/32', 'broadcast'], // RFC 8190
  ['240.0.0.0/4', 'reserved'], // RFC 1112
];

// IPv6 is an allow list: only this block is given out for use on the Internet (RFC 4291, section 2.4) …
const IPV6_ALLOWED = block('2000::/3');

// … less its special parts. Several of them carry an IPv4 address inside, which could be any of the above.
const IPV6_DENIED: Table = [
  ['2001::/32', 'tunnel'], // RFC 4380: Teredo
  ['2001:2::/48', 'benchmarking'], // RFC 5180
  ['2001:db8::/32', 'documentation'], // RFC 3849
  ['2001::/23', 'special_purpose'], // RFC 2928: protocol assignments, incl. anycast, AMT, AS112, ORCHID, DRIP
  ['2002::/16', 'tunnel'], // RFC 3056: 6to4
  ['2620:4f:8000::/48', 'special_purpose'], // RFC 7534: AS112
  ['3ffe::/16', 'reserved'], // RFC 3701: the 6bone, returned
  ['3fff::/20', 'documentation'], // RFC 9637
];

// What lies outside 2000::/3 is refused anyway; these only give the reason a better name.
const IPV6_NAMES: Table = [
  ['fd00:ec2::254/128', 'metadata'], // AWS
  ['fd20:ce::254/128', 'metadata'], // Google
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['::ffff:0:0/96', 'tunnel'], // RFC 4291: IPv4-mapped
  ['64:ff9b::/96', 'tunnel'], // RFC 6052: NAT64
  ['64:ff9b:1::/48', 'tunnel'], // RFC 8215: NAT64, local
  ['100::/64', 'special_purpose'], // RFC 6666: discard only
  ['5f00::/16', 'special_purpose'], // RFC 9602: segment routing
  ['fc00::/7', 'private'], // RFC 4193: unique local
  ['fe80::/10', 'link_local'], // RFC 4291
  ['fec0::/10', 'private'], // RFC 3879: site-local, deprecated
  ['ff00::/8', 'multicast'], // RFC 4291
];

const tables = {
  ipv4: IPV4_DENIED.map(entry),
  ipv6: IPV6_DENIED.map(entry),
  ipv6Names: IPV6_NAMES.map(entry),
};

/** The reason why an address must not be contacted, or null for one that is public. */
export function specialUse(address: IpAddress): AddressReason | null {
  if (address.family === 4) return find(tables.ipv4, address);
  if (blockHolds(IPV6_ALLOWED, address)) return find(tables.ipv6, address);
  return find(tables.ipv6Names, address) ?? 'reserved';
}

function find(table: readonly { block: IpBlock; reason: AddressReason }[], address: IpAddress): AddressReason | null {
  return table.find((each) => blockHolds(each.block, address))?.reason ?? null;
}

function entry([text, reason]: Table[number]): { block: IpBlock; reason: AddressReason } {
  return { block: block(text), reason };
}

function block(text: string): IpBlock {
  const parsed = parseBlock(text);
  if (parsed === null) throw new Error(`not an address block: ${text}`);
  return parsed;
}
