// Seals the secrets of endpoints for the database: AES-256-GCM under a master key, bound to tenant, endpoint and field.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

export interface MasterKey {
  /** Stored in front of each sealed secret, so that the key is found again. */
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

/** Where a sealed secret belongs. Moved to another tenant, endpoint or field, it does not open. */
export interface SecretPlace {
  tenantId: string;
  endpointId: string;
  field: 'secret' | 'previous_secret' | 'auth_header_value';
}

/** `unknown_key`: its master key is not configured; `damaged`: changed, or moved from another place. */
export type Opened = { ok: true; text: string } | { ok: false; fault: 'unknown_key' | 'damaged' };

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Several keys can be read, the first one writes. A random 96-bit IV each time: safe for 2^32 secrets under one key
 * (NIST SP 800-38D, 8.3). Sealed form: `v1.<key id>.<base64url of IV, tag, ciphertext>`.
 */
export class SecretBox {
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #writer: MasterKey;

  constructor(keys: readonly MasterKey[]) {
    const [first] = keys;
    if (!first) throw new Error('at least one master key is needed');
    this.#writer = first;
    this.#keys = new Map(keys.map(({ id, key }) => [id, key]));
  }

  seal(text: string, place: SecretPlace): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#writer.key, iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(associatedData(place));
    const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    const sealed = Buffer.concat([iv, cipher.getAuthTag(), ciphertext]).toString('base64url');
    return `${VERSION}.${this.#writer.id}.${sealed}`;
  }

  open(sealed: string, place: SecretPlace): Opened {
    const [version, keyId, data, ...rest] = sealed.split('.');
    if (version !== VERSION || !keyId || !data || rest.length > 0) return { ok: false, fault: 'damaged' };
    const key = this.#keys.get(keyId);
    if (!key) return { ok: false, fault: 'unknown_key' };
    const bytes = Buffer.from(data, 'base64url');
    if (bytes.length < IV_BYTES + TAG_BYTES) return { ok: false, fault: 'damaged' };
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(place));
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
      return { ok: true, text: text.toString('utf8') };
    } catch {
      return { ok: false, fault: 'damaged' };
    }
  }
}

/** JSON, so that no choice of ids makes two places read the same. */
function associatedData({ tenantId, endpointId, field }: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify([VERSION, tenantId, endpointId.toLowerCase(), field]));
}
