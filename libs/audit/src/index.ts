// The front door of audit, for who has something to record. Who administers access, or reads the trail, uses admin.ts.
export { auditMigrations } from './migrations.ts';
export { type AuditEntry, type AuditWriter, writeAuditEntry } from './write-entry.ts';
