// The migrations of tenants and endpoints. They need the schema outbox beside them: routes are written with the endpoint.
import type { MigrationClass, MigrationInterface, QueryRunner } from '#database';
import { schemaSql } from './schema.ts';

class Endpoints1766000000001 implements MigrationInterface {
  name = 'Endpoints1766000000001';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(schemaSql);
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE waybill.endpoint, waybill.tenant');
  }
}

export const endpointsMigrations: MigrationClass[] = [Endpoints1766000000001];
