// The front door of audit: who may use the API, and who did what.
export { auditMigrations } from './migrations.ts';
export { auditEntities, type AuditEntryRow, type Role, ROLES } from './entities.ts';
export { createToken, deleteToken, findTokenBySecret, listTokens, type Token } from './tokens.ts';
export { type AuditEntry, type AuditWriter, listAuditEntries, writeAuditEntry } from './trail.ts';
