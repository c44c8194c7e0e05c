// Connections to PostgreSQL: pools with bounds on every wait, transactions, and named prepared statements.
import { failpoint } from '#failpoint';
import { Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg';
import { builtins, setTypeParser } from './types.ts';

export type { Pool, PoolClient } from 'pg';

/** Whatever can run a statement: a pool, or a client inside a transaction. */
export type Queryable = Pick<Pool, 'query'> | Pick<PoolClient, 'query'>;

export interface PoolOptions {
  url: string;
  /** Connections at most. Default 10. */
  max?: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** A statement that runs longer is cancelled by the server. Default 30,000 ms. */
  statementTimeoutMs?: number;
  /**
   * A session that sits inside a transaction longer than this is ended by the server. Default 5,000 ms: a paused
   * process must not hold the row locks that its successor waits for.
   */
  idleInTransactionTimeoutMs?: number;
  /**
   * Plans every named statement once for each connection, whatever its values. For hot paths over partitioned tables, where
   * planning costs more than running. Default false.
   */
  genericPlans?: boolean;
  /** Called for a connection that breaks while nobody uses it. The pool replaces it; without a listener Node would exit. */
  onIdleError?: (error: Error) => void;
}

setTypeParser(builtins.INT8, Number);

/** A pool whose every wait is bounded: 5 s to connect, the two timeouts above, TCP keep-alive. */
export function createPool(options: PoolOptions): Pool {
  const pool = new Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    // Statements that are not waited for one by one share a round trip.
    pipeline: true,
    ...(options.genericPlans ? { options: '-c plan_cache_mode=force_generic_plan' } : {}),
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 5_000,
    // The server's timeout does nothing when the server is gone: this one ends the wait on our side.
    query_timeout: (options.statementTimeoutMs ?? 30_000) + 5_000,
  });
  pool.on('error', (error) => options.onIdleError?.(error));
  return pool;
}

/** Runs `work` in one READ COMMITTED transaction. A connection that failed is thrown away, not reused. */
export function withTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return withOpenedTransaction(pool, async () => undefined, work);
}

/**
 * The same, where the first statement, `open`, shares the round trip of BEGIN. If BEGIN fails by itself (somebody may cancel
 * just that), `open` has run outside any transaction, and `work` does not run.
 */
export async function withOpenedTransaction<O, T>(
  pool: Pool,
  open: (client: PoolClient) => Promise<O>,
  work: (client: PoolClient, opened: O) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that breaks between two statements tells so by an event, which would end the process unheard.
  const onError = (error: Error) => (broken = error);
  client.on('error', onError);
  try {
    const [, opened] = await together([client.query('BEGIN'), open(client)]);
    const result = await work(client, opened);
    await failpoint('database.before_commit');
    await client.query('COMMIT');
    await failpoint('database.after_commit');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((rollbackError: unknown) => (broken ??= rollbackError as Error));
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/**
 * The results of statements that were sent without waiting for one another. Throws the fault of the first that failed: those
 * behind it in a transaction only say that it is aborted, and may say so before a promise around the first has settled.
 */
export async function together<T extends readonly unknown[]>(
  statements: readonly [...T],
): Promise<{ [I in keyof T]: Awaited<T[I]> }> {
  const settled = await Promise.allSettled(statements);
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return Promise.all(statements);
}

/** Runs a statement that is parsed and planned once for each connection; `name` must be unique for its text. */
export function prepared<R extends QueryResultRow>(
  db: Queryable,
  name: string,
  text: string,
  values: unknown[],
): Promise<QueryResult<R>> {
  return db.query<R>({ name, text, values });
}
