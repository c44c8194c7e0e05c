// IP addresses and blocks as numbers, so that membership is one shift and one comparison.
import { isIPv4, isIPv6 } from 'node:net';

export interface IpAddress {
  family: 4 | 6;
  /** The 32 or 128 bits, most significant first. */
  bits: bigint;
}

export interface IpBlock extends IpAddress {
  prefixLength: number;
}

/**
 * Reads an address in its usual spelling: four decimal numbers, or RFC 4291 text. Null for anything else, also for the shorthands
 * that inet_aton takes (`127.1`, `0x7f000001`), which the URL parser rewrites before they get here, and for zone ids (`fe80::1%eth0`).
 */
export function parseIp(text: string): IpAddress | null {
  if (isIPv4(text)) return { family: 4, bits: ipv4Bits(text) };
  if (!isIPv6(text) || text.includes('%')) return null;
  return { family: 6, bits: ipv6Bits(text) };
}

/** Reads `10.0.0.0/8` or a single address. Null when it is neither, or has bits set behind the prefix (a likely typing error). */
export function parseBlock(text: string): IpBlock | null {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text.trim());
  const address = match?.[1] === undefined ? null : parseIp(match[1]);
  if (address === null) return null;
  const width = widthOf(address);
  const prefixLength = match?.[2] === undefined ? width : Number(match[2]);
  if (prefixLength > width) return null;
  const hostBits = BigInt(width - prefixLength);
  return (address.bits >> hostBits) << hostBits === address.bits ? { ...address, prefixLength } : null;
}

/** An IPv4 block never holds an IPv6 address, not even a mapped one: those are judged as what they are. */
export function blockHolds(block: IpBlock, address: IpAddress): boolean {
  if (block.family !== address.family) return false;
  const hostBits = BigInt(widthOf(block) - block.prefixLength);
  return block.bits >> hostBits === address.bits >> hostBits;
}

function widthOf(address: IpAddress): number {
  return address.family === 4 ? 32 : 128;
}

function ipv4Bits(text: string): bigint {
  return BigInt(text.split('.').reduce((bits, part) => bits * 256 + Number(part), 0));
}

function ipv6Bits(text: string): bigint {
  const lastColon = text.lastIndexOf(':') + 1;
  // A dotted tail (`::ffff:127.0.0.1`) stands for the last two groups.
  const tail = text.includes('.') ? ipv4Bits(text.slice(lastColon)) : null;
  const hex =
    tail === null ? text : `${text.slice(0, lastColon)}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
  const [left = '', right] = hex.split('::');
  const head = left === '' ? [] : left.split(':');
  const rest = right === undefined || right === '' ? [] : right.split(':');
  const groups = [...head, ...Array.from({ length: 8 - head.length - rest.length }, () => '0'), ...rest];
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}
