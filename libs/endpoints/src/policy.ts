// What the delivery consumer needs to know of an endpoint, how it notices changes, and how it pauses one that is gone.
import { type Pool, prepared, type Queryable, withTransaction } from '#database';
import type { Format, SecretEncoding } from '#signing';
import type { SecretBox, SecretPlace } from './secret-box.ts';

export interface EndpointPolicy {
  id: string;
  tenantId: string;
  url: string;
  format: Format;
  /** Null when a stored secret (or the authentication header's value) does not open; `secretFault` then says why. */
  secret: string | null;
  secretFault?: string;
  /** Present only while a rotation's overlap lasts: sign with it as well, until `previousSecretUntilAt` (wall ms). */
  previousSecret?: string;
  previousSecretUntilAt?: number;
  secretEncoding: SecretEncoding;
  authHeader?: { name: string; value: string };
  timeoutMs: number;
  maxRetries: number;
  initialDelayMs: number;
  maxDelayMs: number;
  successStatus: '2xx' | '200';
  onExhausted: 'block' | 'skip';
  maxConcurrency: number;
  enabled: boolean;
  deleted: boolean;
  revision: number;
}

interface PolicyRow {
  id: string;
  tenant_id: string;
  url: string;
  format: Format;
  secret: string;
  secret_encoding: SecretEncoding;
  previous_secret: string | null;
  previous_secret_until: Date | null;
  auth_header_name: string | null;
  auth_header_value: string | null;
  timeout_ms: number;
  max_retries: number;
  initial_delay_ms: number;
  max_delay_ms: number;
  success_status: '2xx' | '200';
  on_exhausted: 'block' | 'skip';
  max_concurrency: number;
  enabled: boolean;
  deleted: boolean;
  revision: number;
}

/** The policies of those of `ids` that exist, deleted ones included and marked. An id that is missing here never existed. */
export async function findEndpointPolicies(
  db: Queryable,
  secretBox: SecretBox,
  ids: readonly string[],
): Promise<EndpointPolicy[]> {
  if (ids.length === 0) return [];
  const { rows } = await prepared<PolicyRow>(
    db,
    'endpoint_policies',
    `SELECT id, tenant_id, url, format, secret, secret_encoding, auth_header_name, auth_header_value, timeout_ms, max_retries,
            initial_delay_ms, max_delay_ms, success_status, on_exhausted, max_concurrency, enabled, revision,
            deleted_at IS NOT NULL AS deleted,
            CASE WHEN previous_secret_until > now() THEN previous_secret END AS previous_secret, previous_secret_until
       FROM waybill.endpoint WHERE id = ANY($1::uuid[])`,
    [ids],
  );
  return rows.map((row) => policyOf(row, secretBox));
}

/**
 * Id and revision of every endpoint that changed within the last `lookBackMs`. Ask more often than that (every second with a
 * look-back of 60,000 ms, say): a change is stamped before it commits, and an overlap that is longer than any transaction
 * misses none. Then read the policies of those whose revision is news. Without a look-back: all that are not deleted.
 */
export async function findEndpointRevisions(
  db: Queryable,
  options: { lookBackMs?: number } = {},
): Promise<{ id: string; revision: number }[]> {
  const { lookBackMs } = options;
  const { rows } =
    lookBackMs === undefined
      ? await prepared<{ id: string; revision: number }>(
          db,
          'endpoint_revisions',
          'SELECT id, revision FROM waybill.endpoint WHERE deleted_at IS NULL',
          [],
        )
      : await prepared<{ id: string; revision: number }>(
          db,
          'endpoint_revisions_since',
          `SELECT id, revision FROM waybill.endpoint WHERE changed_at > now() - $1 * interval '1 millisecond'`,
          [lookBackMs],
        );
  return rows;
}

/** The two steps above in one: policies that changed within the look-back and differ from the revisions already known. */
export async function findChangedEndpointPolicies(
  db: Queryable,
  secretBox: SecretBox,
  options: { lookBackMs: number; knownRevision: (id: string) => number | undefined },
): Promise<EndpointPolicy[]> {
  const recent = await findEndpointRevisions(db, { lookBackMs: options.lookBackMs });
  const news = recent.filter(({ id, revision }) => options.knownRevision(id) !== revision);
  return findEndpointPolicies(
    db,
    secretBox,
    news.map(({ id }) => id),
  );
}

/** Writes the audit entry of a pause inside its transaction: `writeAuditEntry` of #audit fits. */
export type RecordPause = (
  db: Queryable,
  entry: { actor: string; action: 'endpoint.paused'; target: string; tenantId: string; reason: string },
) => Promise<void>;

/**
 * Pauses an endpoint that answered 410 or otherwise asked not to be called. Its events wait from then on. False when there
 * was nothing to do: unknown, deleted, or paused already.
 */
export async function pauseEndpoint(
  pool: Pool,
  pause: { endpointId: string; reason: string; actor?: string; recordPause: RecordPause },
): Promise<boolean> {
  const { endpointId, reason, actor = 'delivery-consumer', recordPause } = pause;
  return withTransaction(pool, async (client) => {
    const { rows } = await client.query<{ tenant_id: string }>(
      `UPDATE waybill.endpoint
          SET enabled = false, disabled_reason = $2, revision = revision + 1, changed_at = clock_timestamp()
        WHERE id = $1 AND enabled AND deleted_at IS NULL RETURNING tenant_id`,
      [endpointId, reason],
    );
    const [paused] = rows;
    if (!paused) return false;
    await recordPause(client, {
      actor,
      action: 'endpoint.paused',
      target: `endpoint:${endpointId}`,
      tenantId: paused.tenant_id,
      reason,
    });
    return true;
  });
}

function policyOf(row: PolicyRow, secretBox: SecretBox): EndpointPolicy {
  const faults: string[] = [];
  const open = (sealed: string, field: SecretPlace['field']): string | null => {
    const opened = secretBox.open(sealed, { tenantId: row.tenant_id, endpointId: row.id, field });
    if (opened.ok) return opened.text;
    faults.push(`${field} does not open: ${opened.fault}`);
    return null;
  };
  const secret = open(row.secret, 'secret');
  const previousSecret = row.previous_secret === null ? null : open(row.previous_secret, 'previous_secret');
  const headerValue = row.auth_header_value === null ? null : open(row.auth_header_value, 'auth_header_value');
  return {
    id: row.id,
    tenantId: row.tenant_id,
    url: row.url,
    format: row.format,
    // A request without its authentication header would be refused for ever: the whole endpoint is held instead.
    secret: faults.length > 0 ? null : secret,
    ...(faults.length > 0 ? { secretFault: faults.join('; ') } : {}),
    ...(previousSecret === null || row.previous_secret_until === null
      ? {}
      : { previousSecret, previousSecretUntilAt: row.previous_secret_until.getTime() }),
    secretEncoding: row.secret_encoding,
    ...(row.auth_header_name === null || headerValue === null
      ? {}
      : { authHeader: { name: row.auth_header_name, value: headerValue } }),
    timeoutMs: row.timeout_ms,
    maxRetries: row.max_retries,
    initialDelayMs: row.initial_delay_ms,
    maxDelayMs: row.max_delay_ms,
    successStatus: row.success_status,
    onExhausted: row.on_exhausted,
    maxConcurrency: row.max_concurrency,
    enabled: row.enabled,
    deleted: row.deleted,
    revision: row.revision,
  };
}
