// What a migration is, in TypeORM's words but without TypeORM: a store declares its own, and only typeorm.ts runs them.

export interface QueryRunner {
  query(text: string): Promise<unknown>;
}

export interface MigrationInterface {
  /** Ends with the instant it was written at, in ms since 1970: migrations run in that order. */
  name: string;
  up(runner: QueryRunner): Promise<void>;
  down(runner: QueryRunner): Promise<void>;
}

export type MigrationClass = new () => MigrationInterface;
