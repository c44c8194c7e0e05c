// A self-signed X.509 certificate, built by hand: Node can read certificates but not make them.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  /** PEM texts. The certificate is its own authority: give it to the client as `ca`. */
  key: string;
  cert: string;
}

export interface CertificateOptions {
  /** Host names; default `localhost`. */
  names?: readonly string[];
  /** IPv4 addresses; default `127.0.0.1`. */
  addresses?: readonly string[];
  /** Default: an hour ago to a day from now. In the past for an expired one. */
  notBefore?: Date;
  notAfter?: Date;
}

const HOUR_MS = 3_600_000;
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';

/** P-256 with SHA-256. Layout: RFC 5280, section 4.1; encoding: X.690 (DER). */
export function selfSignedCertificate(options: CertificateOptions = {}): Certificate {
  const names = options.names ?? ['localhost'];
  const addresses = options.addresses ?? ['127.0.0.1'];
  const notBefore = options.notBefore ?? new Date(Date.now() - HOUR_MS);
  const notAfter = options.notAfter ?? new Date(Date.now() + 24 * HOUR_MS);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const name = sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from('waybill test')))));
  const version3 = der(0xa0, der(0x02, Buffer.from([2])));
  const serial = der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)]));
  const validity = sequence(generalizedTime(notBefore), generalizedTime(notAfter));
  const extensions = der(0xa3, sequence(alternativeNames(names, addresses), authority()));
  const subjectKey = publicKey.export({ type: 'spki', format: 'der' });
  const body = sequence(version3, serial, algorithm, name, validity, name, subjectKey, extensions);

  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem(certificate),
  };
}

function alternativeNames(names: readonly string[], addresses: readonly string[]): Buffer {
  const dns = names.map((name) => der(0x82, Buffer.from(name, 'ascii')));
  const ip = addresses.map((address) => der(0x87, Buffer.from(address.split('.').map(Number))));
  return sequence(oid(SUBJECT_ALT_NAME), der(0x04, sequence(...dns, ...ip)));
}

/** "This may sign": without it some clients refuse it as its own authority. */
function authority(): Buffer {
  const yes = der(0x01, Buffer.from([0xff]));
  return sequence(oid(BASIC_CONSTRAINTS), yes, der(0x04, sequence(yes)));
}

function generalizedTime(at: Date): Buffer {
  // YYYYMMDDHHMMSSZ. RFC 5280 wants the two-digit form before 2050; verifiers take both.
  return der(0x18, Buffer.from(`${at.toISOString().replaceAll(/[-:T]|\..*/g, '')}Z`));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

/** Tag, length, content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
