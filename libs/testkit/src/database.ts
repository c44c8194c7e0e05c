// A database of its own for each test file, copied from a template that is migrated once per run.
import { createHash, randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { stackAddresses } from './addresses.ts';
import { until } from './until.ts';

export interface TestDatabaseOptions {
  /**
   * Brings the empty database at `url` into shape and closes its connections. It runs once for all files of a run that
   * give a function with the same text: pass the exported function itself.
   */
  migrate?: (url: string) => Promise<unknown>;
  /** Tells apart functions of the same text that do different things. */
  template?: string;
  /** Any database of the server to work on; default: the run's stack. */
  serverUrl?: string;
}

export interface TestDatabase extends AsyncDisposable {
  name: string;
  url: string;
  /** Removes the database. Throws when something is still connected to it after a second, and removes it all the same. */
  drop(): Promise<void>;
}

const DISCONNECTED_WITHIN_MS = 1_000;

/** Made by copying: about 50 ms. Call it in `beforeAll` and `drop()` in `afterAll`. */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const serverUrl = options.serverUrl ?? stackAddresses().DATABASE_URL;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withClient(serverUrl, async (client) => {
    const template = options.migrate === undefined ? 'template1' : await ensureTemplate(client, serverUrl, options);
    await client.query(`create database ${escapeIdentifier(name)} template ${escapeIdentifier(template)}`);
  });
  const drop = () => withClient(serverUrl, (client) => dropDatabase(client, name));
  return { name, url: urlOf(serverUrl, name), drop, [Symbol.asyncDispose]: drop };
}

/** Several worker processes may come at once: an advisory lock lets one of them migrate and the others wait. */
async function ensureTemplate(client: Client, serverUrl: string, options: TestDatabaseOptions): Promise<string> {
  const migrate = options.migrate!;
  const hash = createHash('sha256')
    .update(`${options.template ?? ''}\n${migrate.toString()}`)
    .digest('hex');
  const name = `template_${hash.slice(0, 16)}`;
  await client.query(`select pg_advisory_lock(hashtextextended($1, 0))`, [name]);
  try {
    const { rows } = await client.query('select datistemplate from pg_database where datname = $1', [name]);
    if (rows[0]?.datistemplate === true) return name;
    const id = escapeIdentifier(name);
    // Left behind by a migration that failed.
    await client.query(`drop database if exists ${id} with (force)`);
    await client.query(`create database ${id}`);
    await migrate(urlOf(serverUrl, name));
    // A template with a connection can't be copied, so from here on it takes none.
    await client.query(`alter database ${id} with is_template true allow_connections false`);
    return name;
  } finally {
    await client.query(`select pg_advisory_unlock(hashtextextended($1, 0))`, [name]);
  }
}

async function dropDatabase(client: Client, name: string): Promise<void> {
  try {
    // A closed connection's server process needs a moment to go.
    await until(async () => (await connectionsTo(client, name)).length === 0, {
      withinMs: DISCONNECTED_WITHIN_MS,
      what: `all connections to ${name} to close`,
    });
  } catch {
    const left = await connectionsTo(client, name);
    if (left.length > 0) throw new Error(`connections left open to ${name}: ${left.join(', ')}`);
  } finally {
    await client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
  }
}

async function connectionsTo(client: Client, name: string): Promise<string[]> {
  const { rows } = await client.query<{ connection: string }>(
    `select format('%s (%s: %s)', application_name, state, left(query, 80)) as connection
       from pg_stat_activity where datname = $1 and backend_type = 'client backend'`,
    [name],
  );
  return rows.map((row) => row.connection);
}

async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: 'testkit' });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
