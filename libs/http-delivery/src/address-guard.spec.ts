// The corpus: every spelling of a forbidden target that we know of, each refused for the right reason.
import { describe, expect, it } from 'vitest';
import { AddressGuard, BLOCK_REASONS, type BlockReason, type UrlFaultCode } from './address-guard.ts';

const strict = new AddressGuard({ allowHttp: false, allowedCidrs: [], allowedPorts: [443, 8443] });
const development = new AddressGuard({ allowHttp: true, allowedCidrs: ['127.0.0.0/8'], allowedPorts: [443, 8443] });

describe('checkUrl', () => {
  it.each([
    'https://example.com',
    'https://example.com/',
    'https://example.com./hook',
    'https://example.com:8443/hook?tenant=a&b=%20#part',
    'HTTPS://EXAMPLE.COM/',
    'https://hooks_1.example.co.uk/',
    'https://bücher.example/',
    'https://例え.テスト/',
    'https://127.0.0.1.example.com/',
    'https://localhost.example.com/',
    'https://8.8.8.8/',
    'https://[2606:4700:4700::1111]/',
    'https://[2a00:1450::8.8.8.8]:8443/',
    'https://1.1.1.1:443',
    'https://example.com/path/@user:name',
    'https://receiver/',
  ])('accepts %s', (url) => {
    expect(strict.checkUrl(url)).toBeNull();
  });

  const literals: [reason: BlockReason, hosts: string[]][] = [
    [
      'loopback',
      [
        '127.0.0.1',
        '127.1',
        '127.0.1',
        '2130706433',
        '0x7f000001',
        '0x7F.1',
        '0x7f.0x0.0x0.0x1',
        '017700000001',
        '0177.0.0.1',
        '00000177.0.0.1',
        '127.0.0.1.',
        '127.255.255.254',
        '127.0.0.01',
        '１２７.０.０.１',
        '①②⑦.⓪.⓪.①',
        '127。0。0。1',
        '127．0．0．1',
        '%31%32%37.0.0.1',
        '%6c%6f%63%61%6c%68%6f%73%74',
        '0x7f%2e1',
        '[::1]',
        '[0:0:0:0:0:0:0:1]',
        '[0000::0001]',
        '[::0.0.0.1]',
        'localhost',
        'LOCALHOST',
        'localhost.',
        'ⓛocalhost',
        'ｌｏｃａｌｈｏｓｔ',
        'localhost。',
        'loc\u00adalhost',
        'foo.localhost',
        'foo.localhost.',
        'localhost.localdomain',
        'ip6-localhost',
      ],
    ],
    ['unspecified', ['0.0.0.0', '0', '0x0', '000000', '0.0', '[::]', '[0::0]']],
    [
      'special_purpose',
      ['0.1.2.3', '192.0.0.1', '192.0.0.170', '192.31.196.1', '192.175.48.1', '[100::1]', '[5f00::1]', '[2001:1::1]'],
    ],
    [
      'private',
      [
        '10.0.0.1',
        '10.1',
        '0xa.1',
        '012.1.2.3',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.0.1',
        '3232235521',
        '[fc00::1]',
        '[fd12:3456::1]',
        '[fec0::1]',
      ],
    ],
    ['shared', ['100.64.0.1', '100.127.255.255']],
    ['link_local', ['169.254.0.1', '[fe80::1]', '[febf::1]']],
    [
      'metadata',
      [
        '169.254.169.254',
        '2852039166',
        '0xa9fea9fe',
        '0xA9.0xFE.0xA9.0xFE',
        '0251.0376.0251.0376',
        '169.254.43518',
        '169.254.170.2',
        '168.63.129.16',
        '100.100.100.200',
        '[fd00:ec2::254]',
        'metadata.google.internal',
        'METADATA.google.internal.',
        'metadata',
        'instance-data.ec2.internal',
      ],
    ],
    ['multicast', ['224.0.0.1', '239.255.255.255', '[ff02::1]', '[ff0e::1]']],
    ['broadcast', ['255.255.255.255', '4294967295', '0xffffffff']],
    [
      'reserved',
      [
        '240.0.0.1',
        '255.255.255.254',
        '[1::1]',
        '[4000::1]',
        '[::127.0.0.1]',
        '[::7f00:1]',
        '[3ffe::1]',
        '[ee00::1]',
        '[::ffff:0:127.0.0.1]',
      ],
    ],
    ['documentation', ['192.0.2.1', '198.51.100.1', '203.0.113.1', '[2001:db8::1]', '[3fff::1]', '[3fff:fff::1]']],
    ['benchmarking', ['198.18.0.1', '198.19.255.255', '[2001:2::1]']],
    [
      'tunnel',
      [
        '192.88.99.1',
        '192.52.193.1',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
        '[::FFFF:8.8.8.8]',
        '[0:0:0:0:0:ffff:a9fe:a9fe]',
        '[64:ff9b::127.0.0.1]',
        '[64:ff9b::a9fe:a9fe]',
        '[64:ff9b:1::1]',
        '[2002:7f00:1::]',
        '[2002:a9fe:a9fe::1]',
        '[2001::1]',
        '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
      ],
    ],
  ];
  it.each(literals.flatMap(([reason, hosts]) => hosts.map((host) => [host, reason] as const)))(
    'refuses %s: %s',
    (host, reason) => {
      expect(strict.checkUrl(`https://${host}/`)).toMatchObject({
        reason,
        code: expect.stringMatching(/^(address|host)$/),
      });
      expect(strict.checkUrl(`https://${host}:8443/hook`)).toMatchObject({ reason });
    },
  );

  it.each<[string, UrlFaultCode]>([
    ['', 'syntax'],
    ['example.com', 'syntax'],
    ['//example.com', 'syntax'],
    ['https:example.com', 'syntax'],
    ['https:/example.com', 'syntax'],
    ['https:///example.com', 'syntax'],
    ['https://', 'syntax'],
    ['https://?x', 'syntax'],
    [' https://example.com', 'syntax'],
    ['https://example.com ', 'syntax'],
    ['https://example.com/a b', 'syntax'],
    ['ht\ntps://example.com', 'syntax'],
    ['https://exam\tple.com', 'syntax'],
    ['https://example.com/\r\nX-Evil: 1', 'syntax'],
    ['https://example.com\u0000.evil.com', 'syntax'],
    ['https:\\\\127.0.0.1\\', 'syntax'],
    ['https://example.com\\@127.0.0.1/', 'syntax'],
    ['https://[::1', 'syntax'],
    ['https://[::1%25lo]/', 'syntax'],
    ['https://[fe80::1%eth0]/', 'syntax'],
    ['https://1.2.3.4.5/', 'syntax'],
    ['https://256.1.1.1/', 'syntax'],
    ['https://0x100000000/', 'syntax'],
    ['https://example.com:99999/', 'syntax'],
    ['https://example.com:-1/', 'syntax'],
    [`https://example.com/${'a'.repeat(2048)}`, 'syntax'],
    ['http://example.com/', 'scheme'],
    ['ftp://example.com/', 'scheme'],
    ['file://etc/passwd', 'scheme'],
    ['gopher://127.0.0.1:6379/_', 'scheme'],
    ['ws://example.com', 'scheme'],
    ['data://text', 'scheme'],
    ['https://user@example.com/', 'userinfo'],
    ['https://user:password@example.com/', 'userinfo'],
    ['https://:password@example.com/', 'userinfo'],
    ['https://@example.com/', 'userinfo'],
    ['https://:@example.com/', 'userinfo'],
    ['https://example.com@127.0.0.1/', 'userinfo'],
    ['https://example.com%40@127.0.0.1/', 'userinfo'],
    ['https://example.com:22/', 'port'],
    ['https://example.com:80/', 'port'],
    ['https://8.8.8.8:6379/', 'port'],
    ['https://[2606:4700::1111]:25/', 'port'],
    ['https://example.com:0/', 'port'],
    ['https://a..b/', 'host'],
    ['https://.example.com/', 'host'],
    ['https://example.com../', 'host'],
    ['https://127.0.0.1../', 'host'],
    ['https://-a.example/', 'host'],
    ['https://a!b.example/', 'host'],
    ["https://a';b.example/", 'host'],
    [`https://${'a'.repeat(64)}.example/`, 'host'],
    [`https://${'a.'.repeat(127)}example/`, 'host'],
  ])('refuses %j: %s', (url, code) => {
    expect(strict.checkUrl(url)).toMatchObject({ code });
  });

  it('says in one sentence what to change, and never more of the URL than its kind of fault', () => {
    expect(strict.checkUrl('https://admin:hunter2@example.com/')?.detail).toBe('must not hold a user name or password');
    expect(strict.checkUrl('https://10.0.0.1/')?.detail).toBe(
      'must not point at an address that is not public (private)',
    );
    expect(strict.checkUrl('https://example.com:22/')?.detail).toBe('must use one of the ports 443, 8443');
    expect(strict.checkUrl('http://example.com/')?.detail).toBe('must begin with https://');
  });

  it('allows http, and exempt blocks on any port, where development asks for it', () => {
    for (const url of [
      'http://127.0.0.1:4000/hook',
      'http://127.1:1',
      'https://127.9.9.9:65535/',
      'http://localhost:3000/',
      'http://a.localhost/',
    ]) {
      expect(development.checkUrl(url)).toBeNull();
    }
    // A name may turn out to be in an exempt block; its port is judged with its addresses, at the connection.
    expect(development.checkUrl('http://receiver:4000/')).toBeNull();
    expect(development.checkUrl('http://8.8.8.8:4000/')).toMatchObject({ code: 'port' });
    expect(development.checkUrl('http://8.8.8.8/')).toMatchObject({ code: 'port' });
    for (const host of ['10.0.0.1', '169.254.169.254', '[::1]', '[::ffff:127.0.0.1]', 'metadata.google.internal']) {
      expect(development.checkUrl(`http://${host}:4000/`)).toMatchObject({
        code: expect.stringMatching(/^(address|host)$/),
      });
    }
  });

  it('leads to the host that it judged: lower case, one spelling, no trailing dot', () => {
    expect(strict.readUrl('https://EXAMPLE.com.:8443/a?b=c#d')).toEqual({
      ok: true,
      target: {
        protocol: 'https:',
        host: 'example.com',
        port: 8443,
        isLiteral: false,
        origin: 'https://example.com:8443',
        path: '/a?b=c',
      },
    });
    expect(strict.readUrl('https://[2606:4700:0:0::1111]')).toMatchObject({
      target: { host: '2606:4700::1111', isLiteral: true, origin: 'https://[2606:4700::1111]', port: 443, path: '/' },
    });
  });
});

describe('checkAddress', () => {
  it.each([
    '8.8.8.8',
    '1.0.0.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
  ])('allows %s', (ip) => {
    expect(strict.checkAddress(ip)).toBeNull();
  });

  it.each([
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
  ])('allows %s, beside a special block', (ip) => {
    expect(strict.checkAddress(ip)).toBeNull();
  });

  it.each([
    '2000::',
    '2001:200::1',
    '2001:db7:ffff::1',
    '2001:db9::',
    '2003::1',
    '2620:4f:7fff::1',
    '3ffd::1',
    '3fff:1000::1',
    '3fff:ffff:ffff::1',
  ])('allows %s', (ip) => {
    expect(strict.checkAddress(ip)).toBeNull();
  });

  it.each([
    '1fff:ffff::1',
    '4000::',
    '2001:1ff:ffff::1',
    '2002:ffff::',
    '2001:db8:ffff::1',
    '3ffe:ffff::1',
    '3fff:fff:ffff::1',
  ])('refuses %s', (ip) => {
    expect(strict.checkAddress(ip)).not.toBeNull();
  });

  it('calls anything but a plain address unreadable', () => {
    for (const text of ['', 'localhost', '127.1', 'fe80::1%eth0', '[::1]', '8.8.8.8:443']) {
      expect(strict.checkAddress(text)).toBe('unreadable');
    }
  });

  it('judges the port as well, except in exempt blocks', () => {
    expect(strict.checkAddress('8.8.8.8', 443)).toBeNull();
    expect(strict.checkAddress('8.8.8.8', 22)).toBe('port');
    expect(development.checkAddress('127.0.0.1', 22)).toBeNull();
    expect(development.checkAddress('8.8.8.8', 22)).toBe('port');
  });

  it('gives only reasons of the bounded set', () => {
    for (const ip of ['10.0.0.1', '::1', 'x', '2002::', '255.255.255.255']) {
      expect(BLOCK_REASONS).toContain(strict.checkAddress(ip));
    }
  });
});

describe('a guard', () => {
  it('refuses exempt blocks that are not blocks, and names them', () => {
    for (const block of ['10.0.0.1/8', 'localhost', '127.0.0.0/40', '']) {
      const make = () => new AddressGuard({ allowHttp: false, allowedCidrs: [block], allowedPorts: [443] });
      expect(make).toThrow(`CIDR notation: ${block}`);
    }
  });
});
