// Checks the guard's verdict on the corpus of forbidden targets, each refused for the right reason, and on what lies beside them.
import { describe, expect, it } from 'vitest';
import { BAD_URLS, FORBIDDEN_HOSTS } from '../test/forbidden-targets.ts';
import { AddressGuard, BLOCK_REASONS } from './address-guard.ts';

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

  it.each(FORBIDDEN_HOSTS.flatMap(([reason, hosts]) => hosts.map((host) => [host, reason] as const)))(
    'refuses %s: %s',
    (host, reason) => {
      expect(strict.checkUrl(`https://${host}/`)).toMatchObject({
        reason,
        code: expect.stringMatching(/^(address|host)$/),
      });
      expect(strict.checkUrl(`https://${host}:8443/hook`)).toMatchObject({ reason });
    },
  );

  it.each(BAD_URLS)('refuses %j: %s', (url, code) => {
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
