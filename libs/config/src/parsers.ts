// Readers for the kinds of text that stand in environment variables.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type Parse, SettingFault } from './setting.ts';

/** The value as a fault may show it: quoted, on one line, not endless. For settings that are no secrets. */
const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

const fault = (message: string): never => {
  throw new SettingFault(message);
};

export const text: Parse<string> = (value) => value;

export const boolean: Parse<boolean> = (value) => {
  const word = value.trim().toLowerCase();
  return word === 'true' || (word !== 'false' && fault(`must be true or false, not ${quoted(value)}`));
};

export const integer =
  (lowest: number, highest: number): Parse<number> =>
  (value) => {
    const number = /^-?\d{1,15}$/.test(value.trim()) ? Number(value) : NaN;
    if (number >= lowest && number <= highest) return number;
    return fault(`must be a whole number from ${lowest} to ${highest}, not ${quoted(value)}`);
  };

export const port: Parse<number> = (value) => integer(1, 65_535)(value);

/** For servers: 0 takes any free port. */
export const listenPort: Parse<number> = (value) => integer(0, 65_535)(value);

export const oneOf =
  <const W extends string>(words: readonly W[]): Parse<W> =>
  (value) =>
    words.find((word) => word === value.trim().toLowerCase()) ??
    fault(`must be one of ${words.join(', ')}, not ${quoted(value)}`);

/** Comma-separated; spaces around items and empty items are ignored, so an empty text is an empty list. */
export const list =
  <T>(parseItem: Parse<T>): Parse<T[]> =>
  (value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map(parseItem);

export const nonEmpty =
  <T>(parse: Parse<T[]>, what: string): Parse<T[]> =>
  (value) => {
    const items = parse(value);
    return items.length > 0 ? items : fault(`must name at least one ${what}`);
  };

export const hostAndPort: Parse<string> = (value) => {
  const match = /^(?:\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(value);
  const number = Number(match?.[1]);
  return number >= 1 && number <= 65_535 ? value : fault(`must be host:port, not ${quoted(value)}`);
};

export const cidr: Parse<string> = (value) => {
  const [address = '', bits = '', ...rest] = value.split('/');
  const family = isIP(address);
  const fits = /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32);
  if (family !== 0 && fits && rest.length === 0) return value;
  return fault(`must be an address block such as 127.0.0.0/8, not ${quoted(value)}`);
};

export const topicPrefix: Parse<string> = (value) =>
  // Kafka allows 249 characters in a topic name; the longest suffix here and the registry's subjects need some.
  /^[\w.-]{1,150}$/.test(value) ? value : fault(`must be 1–150 letters, digits, ".", "_" or "-", not ${quoted(value)}`);

/** URLs may hold a password: their faults never show them. */
export const url =
  (...protocols: string[]): Parse<string> =>
  (value) => {
    const parsed = URL.parse(value.trim());
    if (parsed && protocols.includes(parsed.protocol) && parsed.hostname !== '') return value.trim();
    return fault(`must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`);
  };

/** The URL without password and parameters. */
export const showUrl = (value: string): string => {
  const parsed = URL.parse(value.trim());
  if (!parsed) return 'set';
  const user = parsed.username === '' ? '' : `${parsed.username}@`;
  return `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}`;
};

export const token: Parse<string> = (value) =>
  /^[\x21-\x7e]{32,256}$/.test(value) ? value : fault('must be 32 to 256 printable ASCII characters without spaces');

/** The file's text; read once, at start. */
export const pemFile: Parse<string> = (path) => {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return fault(`names a file that cannot be read (${code}): ${quoted(path)}`);
  }
  return content.includes('-----BEGIN CERTIFICATE-----') ? content : fault(`holds no PEM certificate: ${quoted(path)}`);
};

export interface MasterKey {
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

/** `id:base64-of-32-bytes[,…]`. Faults say which key by its position, never any of its text: a bare key has no id. */
export const masterKeys: Parse<[MasterKey, ...MasterKey[]]> = (value) => {
  const [first, ...others] = list(text)(value).map(masterKey);
  if (!first) return fault('must name at least one key');
  const ids = [first, ...others].map(({ id }) => id);
  return new Set(ids).size === ids.length ? [first, ...others] : fault('has two keys with the same id');
};

function masterKey(item: string, index: number): MasterKey {
  const [, id = '', encoded = ''] = /^([\w-]{1,32}):(.*)$/.exec(item) ?? [];
  const place = `key ${index + 1}`;
  if (id === '') return fault(`${place} must be id:base64, the id 1–32 letters, digits, "_" or "-"`);
  const key = Buffer.from(encoded, 'base64');
  const canonical = key.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '');
  if (!canonical) return fault(`${place} is not base64`);
  if (key.length !== 32) return fault(`${place} must be 32 bytes in base64, not ${key.length}`);
  return { id, key };
}

export const showMasterKeys = (value: string): string =>
  masterKeys(value)
    .map(({ id }, index) => (index === 0 ? `${id} (writes)` : id))
    .join(', ');
