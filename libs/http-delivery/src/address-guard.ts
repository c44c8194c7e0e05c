// Decides where a webhook may go: the URL when it is written down, and every address just before it is contacted.
import { blockHolds, parseBlock, parseIp, type IpAddress, type IpBlock } from './ip-address.ts';
import { ADDRESS_REASONS, specialUse, type AddressReason } from './special-addresses.ts';

export interface GuardOptions {
  /** `http:` URLs too. For development. */
  allowHttp: boolean;
  /** Blocks such as `127.0.0.0/8` that are exempt from the address and port rules. For development. */
  allowedCidrs: readonly string[];
  /** Ports that URLs may use, unless the address is exempt. */
  allowedPorts: readonly number[];
}

export type UrlFaultCode = 'syntax' | 'scheme' | 'userinfo' | 'port' | 'host' | 'address';

export interface UrlFault {
  code: UrlFaultCode;
  /** One sentence for the person who typed the URL. */
  detail: string;
  reason: BlockReason;
}

/** Why a target is refused. A bounded set: it is a metric label. */
export const BLOCK_REASONS = [...ADDRESS_REASONS, 'url', 'scheme', 'userinfo', 'port', 'name', 'unreadable'] as const;
export type BlockReason = AddressReason | 'url' | 'scheme' | 'userinfo' | 'port' | 'name' | 'unreadable';

/** Where a URL that passed the guard leads. Names are lower case and without a trailing dot; literals have no brackets. */
export interface Target {
  protocol: 'https:' | 'http:';
  host: string;
  port: number;
  isLiteral: boolean;
  /** Scheme, host and port, as in the `Origin` header. */
  origin: string;
  /** Path and query. */
  path: string;
}

export type UrlVerdict = { ok: true; target: Target } | { ok: false; fault: UrlFault };

const MOST_URL_CHARACTERS = 2048;
const LOOPBACKS = ['127.0.0.1', '::1'];
const LOCALHOST_NAMES = new Set([
  'localhost',
  'localhost.localdomain',
  'localhost4',
  'localhost6',
  'ip6-localhost',
  'ip6-loopback',
]);
// Names that clouds answer with their metadata service. The address rule would catch them too; this one needs no DNS.
const METADATA_NAMES = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.platformequinix.com',
  'metadata.packet.net',
  'metadata.tencentyun.com',
  'instance-data',
  'instance-data.ec2.internal',
  'rancher-metadata',
]);

export class AddressGuard {
  readonly #allowHttp: boolean;
  readonly #exempt: readonly IpBlock[];
  readonly #ports: ReadonlySet<number>;

  /** Throws a TypeError that names the block when one of `allowedCidrs` is not a CIDR block. */
  constructor(options: GuardOptions) {
    this.#allowHttp = options.allowHttp;
    this.#ports = new Set(options.allowedPorts);
    this.#exempt = options.allowedCidrs.map((text) => {
      const block = parseBlock(text);
      if (block === null) throw new TypeError(`not an address block in CIDR notation: ${text}`);
      return block;
    });
  }

  /** What is wrong with a tenant's URL, or null. Asks no DNS: names are judged again, by their addresses, at each connection. */
  checkUrl(url: string): UrlFault | null {
    const verdict = this.readUrl(url);
    return verdict.ok ? null : verdict.fault;
  }

  /** `checkUrl`, with the parts of a good URL: whoever connects uses these, and parses nothing a second time. */
  readUrl(text: string): UrlVerdict {
    const url = parseUrl(text);
    if (url === null)
      return refuse('syntax', 'url', `must be an absolute https URL of at most ${MOST_URL_CHARACTERS} characters`);
    if (!(url.protocol === 'https:' || (url.protocol === 'http:' && this.#allowHttp))) {
      return refuse(
        'scheme',
        'scheme',
        this.#allowHttp ? 'must begin with https:// or http://' : 'must begin with https://',
      );
    }
    if (url.username !== '' || url.password !== '' || hasUserinfo(text)) {
      return refuse('userinfo', 'userinfo', 'must not hold a user name or password');
    }
    const host = bareHost(url.hostname);
    const port = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port);
    const isLiteral = parseIp(host) !== null;
    const fault = isLiteral ? this.#literalFault(host, port) : this.#nameFault(host, port);
    if (fault !== null) return { ok: false, fault };
    const path = url.pathname + url.search;
    const origin = `${url.protocol}//${host.includes(':') ? `[${host}]` : host}${url.port === '' ? '' : `:${url.port}`}`;
    return { ok: true, target: { protocol: url.protocol, host, port, isLiteral, origin, path } };
  }

  /** Why an address must not be contacted (on this port), or null. Anything but a plain IP address is `unreadable`. */
  checkAddress(ip: string, port?: number): BlockReason | null {
    const address = parseIp(ip);
    if (address === null) return 'unreadable';
    if (this.#isExempt(address)) return null;
    return specialUse(address) ?? (port === undefined || this.#ports.has(port) ? null : 'port');
  }

  /** RFC 6761, section 6.3: `localhost` names mean loopback, whatever a DNS server says; here only as far as it is exempt. */
  localAddresses(host: string): string[] | null {
    if (!isLocalhostName(host)) return null;
    return LOOPBACKS.filter((ip) => this.checkAddress(ip) === null);
  }

  #literalFault(ip: string, port: number): UrlFault | null {
    const reason = this.checkAddress(ip, port);
    if (reason === null) return null;
    if (reason === 'port') return this.#portFault();
    return fault('address', reason, `must not point at an address that is not public (${reason.replaceAll('_', ' ')})`);
  }

  #nameFault(host: string, port: number): UrlFault | null {
    if (!isHostName(host)) return fault('host', 'url', 'must hold a host name or an IP address');
    if (METADATA_NAMES.has(host)) return fault('host', 'metadata', 'must not point at a metadata service');
    const local = this.localAddresses(host);
    if (local !== null)
      return local.length > 0 ? null : fault('host', 'loopback', 'must not point at this machine (loopback)');
    // With exempt blocks a name's port can only be judged together with its addresses, when it is contacted.
    return this.#ports.has(port) || this.#exempt.length > 0 ? null : this.#portFault();
  }

  #portFault(): UrlFault {
    return fault('port', 'port', `must use one of the ports ${[...this.#ports].join(', ')}`);
  }

  #isExempt(address: IpAddress): boolean {
    return this.#exempt.some((block) => blockHolds(block, address));
  }
}

// The WHATWG parser is the only one here, and rewrites every spelling of an address (127.1, 0x7f000001, full-width digits, %31)
// to the usual one. It also drops tabs, newlines and outer blanks and takes "\" for "/": such text is refused, since others read it differently.
function parseUrl(text: string): URL | null {
  const hasShape = text.length <= MOST_URL_CHARACTERS && /^[a-z][a-z0-9+.-]*:\/\/[^/?#]/i.test(text);
  return hasShape && !/[\p{Cc}\p{Z}\\]/u.test(text) ? URL.parse(text) : null;
}

// The parser forgets an empty user name (https://@host/).
function hasUserinfo(text: string): boolean {
  return /^[^:]+:\/\/[^/?#]*@/.test(text);
}

function bareHost(hostname: string): string {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
}

// Punycode is ASCII by now. Underscores are not host names by RFC 1123, but some providers use them.
function isHostName(host: string): boolean {
  const labels = host.split('.');
  // A last label that is a number would be an inet_aton spelling for getaddrinfo; the parser leaves none, and none gets past here.
  if (host.length > 253 || /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) return false;
  return labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
}

function isLocalhostName(host: string): boolean {
  return LOCALHOST_NAMES.has(host) || host.endsWith('.localhost');
}

function refuse(code: UrlFaultCode, reason: BlockReason, detail: string): UrlVerdict {
  return { ok: false, fault: fault(code, reason, detail) };
}

function fault(code: UrlFaultCode, reason: BlockReason, detail: string): UrlFault {
  return { code, reason, detail };
}
