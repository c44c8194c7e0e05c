// One PostgreSQL connection for the relay's windows: when it breaks, what was read on it is worth nothing.
import type { Pool, PoolClient } from '#database';

export interface Session {
  client: PoolClient;
  close(): void;
}

export interface SessionSource {
  open(): Promise<Session>;
}

/** Takes a connection out of `pool` and closes it for good at the end, so that a session never outlives its connection. */
export function sessionsOf(pool: Pool): SessionSource {
  return {
    async open() {
      const client = await pool.connect();
      // The next statement on a broken connection fails by itself; unheard, the event would end the process.
      client.on('error', () => undefined);
      return { client, close: () => client.release(true) };
    },
  };
}
