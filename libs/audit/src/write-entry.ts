// One entry of the audit trail, written in the transaction of what it tells of, and never changed.

export interface AuditEntry {
  /** `token:<id>`, `bootstrap`, or the name of a service. */
  actor: string;
  /** The actor's role at that moment; `service` for a process of ours. */
  role?: string;
  /** Noun and past participle, e.g. `endpoint.paused`. */
  action: string;
  /** Kind and id, e.g. `endpoint:0190…`. */
  target: string;
  tenantId?: string | null;
  /** The person's own words. */
  reason?: string | null;
  /** What else a reader needs; never a secret or a payload. */
  details?: object;
}

/** A client in a transaction, or a TypeORM EntityManager: the entry must commit with what it tells of. */
export interface AuditWriter {
  query(text: string, values: unknown[]): Promise<unknown>;
}

/** Fits `RecordPause` of #endpoints and its like. */
export async function writeAuditEntry(db: AuditWriter, entry: AuditEntry): Promise<void> {
  await db.query(
    `INSERT INTO waybill.audit_entry (actor, role, action, target, tenant_id, reason, details)
     VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)`,
    [
      entry.actor,
      entry.role ?? 'service',
      entry.action,
      entry.target,
      entry.tenantId ?? null,
      entry.reason ?? null,
      entry.details === undefined ? null : JSON.stringify(entry.details),
    ],
  );
}
