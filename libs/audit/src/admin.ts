// The second door of audit: who may use the API, and who did what, by TypeORM.
export { auditEntities, type AuditEntryRow, type Role, ROLES } from './entities.ts';
export { createToken, deleteToken, findTokenBySecret, listTokens, type Token } from './tokens.ts';
export { listAuditEntries } from './trail.ts';
