// Whether the service can answer: it could once reach its migrated database, and can still.
import type { Clock } from '#clock';
import type { Pool } from '#database';
import type { Health } from '#telemetry';
import { Loop, type WorkerLogger } from '#worker';

const CHECK_INTERVAL_MS = 2_000;

/** Throws while the database is away, or has not been migrated. */
export async function requireDatabase(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ missing: string[] | null }>(
    `SELECT array_agg(name) AS missing FROM unnest($1::text[]) name WHERE to_regclass(name) IS NULL`,
    [['outbox.route', 'waybill.endpoint', 'waybill.lane', 'waybill.audit_entry']],
  );
  const missing = rows[0]?.missing;
  if (missing) throw new Error(`the database lacks ${missing.join(', ')}: run "npm run migrate"`);
}

export class ServiceHealth implements Health {
  readonly loop: Loop;
  #serving = false;
  #waitingFor = 'starting';

  constructor(pool: Pool, clock: Clock, logger: WorkerLogger) {
    this.loop = new Loop({
      name: 'database check',
      clock,
      logger,
      runOnce: async () => {
        await requireDatabase(pool);
        return { nextInMs: CHECK_INTERVAL_MS };
      },
    });
  }

  live(): true {
    return true;
  }

  ready(): { ready: boolean; reasons: string[] } {
    const { fault } = this.loop;
    const reasons = [
      ...(this.#serving ? [] : [this.#waitingFor]),
      ...(fault ? [`database: ${fault.description}`] : []),
    ];
    return { ready: reasons.length === 0, reasons };
  }

  /** Before it serves, and after it stopped. */
  waiting(reason: string): void {
    this.#serving = false;
    this.#waitingFor = reason;
  }

  serving(): void {
    this.#serving = true;
  }
}
