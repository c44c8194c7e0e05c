// The migrations of tokens and the audit trail.
import type { MigrationClass, MigrationInterface, QueryRunner } from '#database';
import { schemaSql } from './schema.ts';

class Audit1766000000003 implements MigrationInterface {
  name = 'Audit1766000000003';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(schemaSql);
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE waybill.audit_entry, waybill.token');
    await runner.query('DROP FUNCTION waybill.refuse_audit_change()');
  }
}

export const auditMigrations: MigrationClass[] = [Audit1766000000003];
