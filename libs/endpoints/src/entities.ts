// TypeORM's view of tenants and endpoints. The migrations are the truth; a test holds the two together.
import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm';
import type { Format, SecretEncoding } from '#signing';

export interface TenantRow {
  id: string;
  name: string;
  createdAt: Date;
  changedAt: Date;
}

export interface EndpointRow {
  id: string;
  tenantId: string;
  url: string;
  format: Format;
  eventTypes: string[] | null;
  description: string | null;
  secret: string;
  secretEncoding: SecretEncoding;
  previousSecret: string | null;
  previousSecretUntil: Date | null;
  authHeaderName: string | null;
  authHeaderValue: string | null;
  timeoutMs: number;
  maxRetries: number;
  initialDelayMs: number;
  maxDelayMs: number;
  successStatus: '2xx' | '200';
  onExhausted: 'block' | 'skip';
  maxConcurrency: number;
  enabled: boolean;
  disabledReason: string | null;
  revision: number;
  createdAt: Date;
  changedAt: Date;
  deletedAt: Date | null;
}

const text = (name: string): EntitySchemaColumnOptions => ({ name, type: 'text' });
const integer = (name: string): EntitySchemaColumnOptions => ({ name, type: 'integer' });
const instant = (name: string): EntitySchemaColumnOptions => ({ name, type: 'timestamptz' });
const nullable = (column: EntitySchemaColumnOptions): EntitySchemaColumnOptions => ({ ...column, nullable: true });
const byDatabase = (column: EntitySchemaColumnOptions): EntitySchemaColumnOptions => ({
  ...column,
  default: () => 'clock_timestamp()',
});

export const TenantEntity = new EntitySchema<TenantRow>({
  name: 'Tenant',
  schema: 'waybill',
  tableName: 'tenant',
  columns: {
    id: { ...text('id'), primary: true },
    name: text('name'),
    createdAt: byDatabase(instant('created_at')),
    changedAt: byDatabase(instant('changed_at')),
  },
});

export const EndpointEntity = new EntitySchema<EndpointRow>({
  name: 'Endpoint',
  schema: 'waybill',
  tableName: 'endpoint',
  columns: {
    id: { name: 'id', type: 'uuid', primary: true },
    tenantId: text('tenant_id'),
    url: text('url'),
    format: text('format'),
    eventTypes: { ...nullable(text('event_types')), array: true },
    description: nullable(text('description')),
    secret: text('secret'),
    secretEncoding: text('secret_encoding'),
    previousSecret: nullable(text('previous_secret')),
    previousSecretUntil: nullable(instant('previous_secret_until')),
    authHeaderName: nullable(text('auth_header_name')),
    authHeaderValue: nullable(text('auth_header_value')),
    timeoutMs: integer('timeout_ms'),
    maxRetries: integer('max_retries'),
    initialDelayMs: integer('initial_delay_ms'),
    maxDelayMs: integer('max_delay_ms'),
    successStatus: text('success_status'),
    onExhausted: text('on_exhausted'),
    maxConcurrency: integer('max_concurrency'),
    enabled: { name: 'enabled', type: 'boolean' },
    disabledReason: nullable(text('disabled_reason')),
    revision: {
      name: 'revision',
      type: 'bigint',
      default: 1,
      // bigint arrives as text wherever nobody set another parser.
      transformer: { to: (value: number) => value, from: Number },
    },
    createdAt: byDatabase(instant('created_at')),
    changedAt: byDatabase(instant('changed_at')),
    deletedAt: nullable(instant('deleted_at')),
  },
});

export const endpointsEntities: EntitySchema[] = [TenantEntity, EndpointEntity] as EntitySchema[];
