// The public registry client, set up for what it is used for here: registering schemas and asking for ids.
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { Clock } from '#clock';
import { RegistryFault } from './registry-fault.ts';

const TIMEOUT_MS = 5_000;

/**
 * Never its `encode` or `decode`: they re-serialise the payload, and the committed bytes are what is delivered. User name
 * and password may stand in the URL.
 */
export function createRegistryClient(url: string): SchemaRegistry {
  const { href, username, password } = new URL(url);
  const host = new URL(href);
  host.username = host.password = '';
  return new SchemaRegistry(
    {
      host: host.href.replace(/\/$/, ''),
      clientId: 'waybill',
      retry: { retries: 0 }, // the callers retry, with their own backoff
      middlewares: [
        () => ({ prepareRequest: (next) => next().then((request) => request.enhance({ timeout: TIMEOUT_MS })) }),
      ],
      ...(username === ''
        ? {}
        : { auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) } }),
    },
    // The client compiles what it registers, with an Ajv that knows neither draft 2020-12 nor a second schema of the same
    // `$id`. Payloads are checked by #events, so nothing needs to be compiled here.
    { [SchemaType.JSON]: { ajvInstance: { addSchema: () => undefined as never, compile: () => accept as never } } },
  );
}

const accept = () => true;

/** A bound for a whole call: the client's own timeout does not notice a connection that is cut within an answer. */
export async function withDeadline<T>(clock: Clock, call: Promise<T>): Promise<T> {
  let cancel = (): void => undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    const late = () => reject(new RegistryFault('registry_unavailable', `no answer within ${2 * TIMEOUT_MS} ms`));
    cancel = clock.schedule(2 * TIMEOUT_MS, late);
  });
  return Promise.race([call, deadline]).finally(() => cancel());
}
