// Checks the reading of addresses and blocks against Node's own SocketAddress and BlockList.
import { BlockList, SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockHolds, parseBlock, parseIp } from './ip-address.ts';

const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6();

describe('parseIp', () => {
  it.each([
    ['0.0.0.0', 4, 0n],
    ['127.0.0.1', 4, 0x7f000001n],
    ['255.255.255.255', 4, 0xffffffffn],
    ['::', 6, 0n],
    ['::1', 6, 1n],
    ['2001:db8::', 6, 0x20010db8000000000000000000000000n],
    ['1:2:3:4:5:6:7:8', 6, 0x00010002000300040005000600070008n],
    ['1::8', 6, 0x00010000000000000000000000000008n],
    ['::ffff:127.0.0.1', 6, 0xffff7f000001n],
    ['::FFFF:7F00:1', 6, 0xffff7f000001n],
    ['64:ff9b::10.0.0.1', 6, 0x0064ff9b00000000000000000a000001n],
  ] as const)('reads %s', (text, family, bits) => {
    expect(parseIp(text)).toEqual({ family, bits });
  });

  it.each([
    '',
    '127.1',
    '2130706433',
    '0x7f000001',
    '127.0.0.01',
    '127.0.0.1.',
    ' 127.0.0.1',
    '1.2.3',
    '::1%eth0',
    '[::1]',
    ':::',
    '1::2::3',
    'example.com',
  ])('does not read %j', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  it('reads any spelling of an IPv6 address alike', () => {
    fc.assert(
      fc.property(ipv6, (text) => {
        const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address;
        expect(parseIp(text)).toEqual(parseIp(canonical));
        expect(parseIp(text)).not.toBeNull();
      }),
    );
  });
});

describe('parseBlock', () => {
  it.each(['10.0.0.0/8', '0.0.0.0/0', '127.0.0.1', '127.0.0.1/32', '::/0', '::1', '2000::/3'])('reads %s', (text) => {
    expect(parseBlock(text)).not.toBeNull();
  });

  it.each([
    '',
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10/8',
    '2000::/129',
    '2001::/3',
    'example.com/8',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
  ])('does not read %j', (text) => {
    expect(parseBlock(text)).toBeNull();
  });
});

describe('blockHolds', () => {
  it('agrees with Node’s BlockList within a family', () => {
    fc.assert(
      fc.property(fc.constantFrom('ipv4', 'ipv6'), fc.gen(), (family, gen) => {
        const [first, second] =
          family === 'ipv4' ? [gen(() => ipv4), gen(() => ipv4)] : [gen(() => ipv6), gen(() => ipv6)];
        const width = family === 'ipv4' ? 32 : 128;
        const prefixLength = gen(() => fc.integer({ min: 0, max: width }));
        const hostBits = BigInt(width - prefixLength);
        const base = parseIp(first)!;
        const block = { ...base, bits: (base.bits >> hostBits) << hostBits, prefixLength };
        const list = new BlockList();
        list.addSubnet(first, prefixLength, family);
        for (const each of [first, second]) expect(blockHolds(block, parseIp(each)!)).toBe(list.check(each, family));
      }),
    );
  });

  it('keeps the families apart: an IPv4 block does not hold a mapped address', () => {
    expect(blockHolds(parseBlock('127.0.0.0/8')!, parseIp('::ffff:127.0.0.1')!)).toBe(false);
    expect(blockHolds(parseBlock('0.0.0.0/0')!, parseIp('::1')!)).toBe(false);
  });
});
