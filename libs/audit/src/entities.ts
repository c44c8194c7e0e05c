// TypeORM's view of tokens and the audit trail. The migrations are the truth; a test holds the two together.
import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm';

export const ROLES = ['admin', 'operator', 'support', 'viewer', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

export interface TokenRow {
  id: string;
  tokenHash: Buffer;
  name: string;
  role: Role;
  /** Null: not bound to one tenant. */
  tenantId: string | null;
  createdBy: string;
  createdAt: Date;
  lastUsedAt: Date | null;
}

export interface AuditEntryRow {
  id: number;
  at: Date;
  actor: string;
  role: string;
  action: string;
  target: string;
  tenantId: string | null;
  reason: string | null;
  details: object | null;
}

const text = (name: string): EntitySchemaColumnOptions => ({ name, type: 'text' });
const nullable = (column: EntitySchemaColumnOptions): EntitySchemaColumnOptions => ({ ...column, nullable: true });

export const TokenEntity = new EntitySchema<TokenRow>({
  name: 'Token',
  schema: 'waybill',
  tableName: 'token',
  columns: {
    id: { name: 'id', type: 'uuid', primary: true, generated: 'uuid' },
    tokenHash: { name: 'token_hash', type: 'bytea' },
    name: text('name'),
    role: text('role'),
    tenantId: nullable(text('tenant_id')),
    createdBy: text('created_by'),
    createdAt: { name: 'created_at', type: 'timestamptz', default: () => 'clock_timestamp()' },
    lastUsedAt: nullable({ name: 'last_used_at', type: 'timestamptz' }),
  },
});

export const AuditEntryEntity = new EntitySchema<AuditEntryRow>({
  name: 'AuditEntry',
  schema: 'waybill',
  tableName: 'audit_entry',
  columns: {
    // bigint arrives as text wherever nobody set another parser.
    id: { name: 'id', type: 'bigint', primary: true, transformer: { to: (id: number) => id, from: Number } },
    at: { name: 'at', type: 'timestamptz', default: () => 'clock_timestamp()' },
    actor: text('actor'),
    role: text('role'),
    action: text('action'),
    target: text('target'),
    tenantId: nullable(text('tenant_id')),
    reason: nullable(text('reason')),
    details: nullable({ name: 'details', type: 'jsonb' }),
  },
});

export const auditEntities: EntitySchema[] = [TokenEntity, AuditEntryEntity] as EntitySchema[];
