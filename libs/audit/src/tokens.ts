// API tokens: made once, kept as a hash, found again by what a request brings.
import { createHash, randomBytes } from 'node:crypto';
import { type EntityManager, MoreThan } from 'typeorm';
import { type Role, TokenEntity, type TokenRow } from './entities.ts';

/** What may be shown of a token. */
export type Token = Omit<TokenRow, 'tokenHash'>;

const PREFIX = 'wbt_';
const LAST_USED_PRECISION = "interval '1 minute'";

/** `secret` is the token itself, in the answer this once. */
export async function createToken(
  manager: EntityManager,
  input: { name: string; role: Role; tenantId: string | null; createdBy: string },
): Promise<{ token: Token; secret: string }> {
  const secret = PREFIX + randomBytes(32).toString('base64url');
  const { identifiers } = await manager.insert(TokenEntity, { ...input, tokenHash: hashOf(secret) });
  const row = await manager.findOneByOrFail(TokenEntity, { id: String(identifiers[0]?.['id']) });
  return { token: viewOf(row), secret };
}

/** The token that a request brought, or null. Notes its use, at most once a minute: a read must not cost a write. */
export async function findTokenBySecret(manager: EntityManager, secret: string): Promise<Token | null> {
  if (!secret.startsWith(PREFIX)) return null;
  const row = await manager.findOneBy(TokenEntity, { tokenHash: hashOf(secret) });
  if (!row) return null;
  await manager.query(
    `UPDATE waybill.token SET last_used_at = now()
      WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - ${LAST_USED_PRECISION})`,
    [row.id],
  );
  return viewOf(row);
}

/** Tokens by id; all, or only those bound to `tenantId`. */
export async function listTokens(
  manager: EntityManager,
  page: { limit: number; afterId?: string; tenantId?: string },
): Promise<Token[]> {
  const rows = await manager.find(TokenEntity, {
    where: {
      ...(page.afterId === undefined ? {} : { id: MoreThan(page.afterId) }),
      ...(page.tenantId === undefined ? {} : { tenantId: page.tenantId }),
    },
    order: { id: 'ASC' },
    take: page.limit,
  });
  return rows.map(viewOf);
}

/** Ends a token at once; what it was, or null when there is none. */
export async function deleteToken(manager: EntityManager, id: string): Promise<Token | null> {
  const row = await manager.findOneBy(TokenEntity, { id });
  if (!row) return null;
  await manager.delete(TokenEntity, { id });
  return viewOf(row);
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function viewOf(row: TokenRow): Token {
  const { tokenHash, ...visible } = row;
  return visible;
}
