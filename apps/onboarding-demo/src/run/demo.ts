// The demo from its first step to its last: build, servers, migration, services, endpoints, the scenario, the verdict.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type StackAddresses, stackStatus, startStack, stopStack } from '../../../../deploy/local/index.ts';
import { systemClock } from '#clock';
import { type Arrival, SampleReceiver } from '../receiver/sample-receiver.ts';
import type { Children } from './children.ts';
import { DomainService, findUnreadiness, StatusApi, untilReady } from './clients.ts';
import { DemoFault } from './demo-fault.ts';
import { Narrator } from './narrator.ts';
import { buildProgram, migrateProgram, type ServiceProgram, servicePrograms } from './processes.ts';
import { playScenario, SUBSCRIPTIONS } from './scenario.ts';
import {
  chooseCredentials,
  choosePorts,
  type Credentials,
  type Environment,
  givenServers,
  type Ports,
  saveEnvironment,
  type Servers,
} from './setting.ts';
import type { Terminal } from './terminal.ts';
import { isComplete, judge, type Published } from './verdict.ts';

const TENANT = 'demo';
const READY_WITHIN_MS = 60_000;
/** From the services' start to the last arrival. */
const DELIVERED_WITHIN_MS = 90_000;
const PAUSE_MS = 150;
const FAIL_FOR_MS = 8_000;
const LOOK_EVERY_MS = 500;

export interface DemoOptions {
  /** The checkout. */
  root: string;
  terminal: Terminal;
  children: Children;
  env: Environment;
  /** Aborts when somebody wants the demo to end. */
  signal: AbortSignal;
  isOnce: boolean;
}

export class Demo {
  readonly #options: DemoOptions;
  readonly #receiver: SampleReceiver;
  readonly #arrivals: Arrival[] = [];
  readonly #published: Published[] = [];
  /** Names of the endpoints' subscriptions, by endpoint id. */
  readonly #subscriptionOf = new Map<string, string>();
  #services: readonly ServiceProgram[] = [];
  #narrator: Narrator | undefined;
  #api: StatusApi | undefined;
  #stack: Promise<StackAddresses> | undefined;
  #ownsStack = false;
  /** True once everything was delivered and shown. */
  isShown = false;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#receiver = new SampleReceiver({
      clock: systemClock,
      onArrival: (arrival) => {
        this.#arrivals.push(arrival);
        this.#narrator?.arrived(arrival);
      },
    });
  }

  /** Returns the exit code of `--once`; without it, only a fault or a signal ends it. */
  async run(): Promise<number> {
    const { terminal, children, env, signal, root, isOnce } = this.#options;
    await terminal.step('building', () => children.run(buildProgram));
    const servers = await this.#servers();
    await terminal.step('migrating', () => this.#within('migrate', children.run(migrateProgram(servers))));
    const ports = await choosePorts(env);
    const credentials = chooseCredentials(env, join(root, '.stack', 'demo.env'));
    const api = (this.#api = new StatusApi(`http://127.0.0.1:${ports.api}`, credentials.WAYBILL_ADMIN_TOKEN, signal));
    await terminal.step('starting relay, consumer, status service and the sample service', () =>
      this.#startServices(servers, credentials, ports),
    );
    const deadlineMs = systemClock.monotonic() + DELIVERED_WITHIN_MS;
    await this.#createEndpoints(api, await this.#receiver.listen(ports.receiver));
    saveEnvironment(join(root, '.stack'), { ...servers, ...credentials, API: api.address });
    this.#introduce(api, ports, credentials);
    const isGood = await this.#show(api, new DomainService(`http://127.0.0.1:${ports.service}`, signal), deadlineMs);
    this.isShown = isGood;
    if (isOnce || !isGood) return isGood ? 0 : 1;
    return this.#stayUp(ports);
  }

  /** Stops everything that was started, in whatever phase. Says so when it takes a moment. */
  async stop(): Promise<void> {
    const { terminal, children, root } = this.#options;
    terminal.line('stopping');
    await this.#forgetEndpoints();
    await children.stopAll();
    await this.#receiver.close().catch(() => undefined);
    await this.#stack?.catch(() => undefined);
    if (this.#ownsStack) await stopStack({ dir: join(root, '.stack') });
    terminal.line('stopped');
  }

  async #servers(): Promise<Servers> {
    const { terminal, env, signal, root } = this.#options;
    const dir = join(root, '.stack');
    const given = givenServers(env);
    const { parts, addresses } = await stackStatus(dir);
    // A shell that has sourced .stack/env names the local stack, which may be stopped by now.
    const isLocal = addresses !== null && Object.entries(addresses).every(([name, value]) => env[name] === value);
    if (given && !isLocal) return given;
    // What runs already is somebody's: it is left running.
    this.#ownsStack = parts.every(({ state }) => state === 'stopped');
    const onProgress = (line: string) => terminal.note(line);
    this.#stack = terminal.step('starting PostgreSQL, Kafka and the schema registry', () =>
      startStack({ dir, signal, onProgress }),
    );
    const started = await this.#stack;
    return {
      DATABASE_URL: env['DATABASE_URL'] || started.DATABASE_URL,
      KAFKA_BROKERS: env['KAFKA_BROKERS'] || started.KAFKA_BROKERS,
      SCHEMA_REGISTRY_URL: env['SCHEMA_REGISTRY_URL'] || started.SCHEMA_REGISTRY_URL,
    };
  }

  async #startServices(servers: Servers, credentials: Credentials, ports: Ports): Promise<void> {
    const { children, env, signal } = this.#options;
    const allowedCidrs = env['WAYBILL_ALLOWED_TARGET_CIDRS'] ?? '';
    const programs = servicePrograms({ servers, credentials, ports, allowedCidrs });
    this.#services = programs;
    for (const program of programs) children.start(program);
    await Promise.all(
      programs.map(({ name, managementPort }) =>
        untilReady(name, managementPort, { withinMs: READY_WITHIN_MS, signal }),
      ),
    );
  }

  async #createEndpoints(api: StatusApi, receiverAddress: string): Promise<void> {
    await api.putTenant(TENANT, 'The demo’s customer');
    await api.deleteEndpoints(TENANT);
    for (const { name, format, eventTypes } of SUBSCRIPTIONS) {
      const { id, secret } = await api.createEndpoint(TENANT, {
        url: `${receiverAddress}/${name}`,
        format,
        description: `the demo’s ${name}`,
        ...(eventTypes === null ? {} : { eventTypes }),
        // More patience, and shorter pauses, than the failure that will be shown.
        initialDelayMs: 200,
        maxDelayMs: 2_000,
        maxRetries: 50,
      });
      this.#subscriptionOf.set(id, name);
      this.#receiver.subscribe({ name, format, secret });
    }
  }

  #introduce(api: StatusApi, ports: Ports, credentials: Credentials): void {
    const { terminal, env } = this.#options;
    terminal.line();
    terminal.line(`API         ${api.address}/v1`);
    const isGiven = Boolean(env['WAYBILL_ADMIN_TOKEN']);
    terminal.line(`token       ${isGiven ? 'WAYBILL_ADMIN_TOKEN' : credentials.WAYBILL_ADMIN_TOKEN}`);
    terminal.line(
      `metrics     ${Object.values(ports.management)
        .map((port) => `http://127.0.0.1:${port}/metrics`)
        .join('  ')}`,
    );
    terminal.line('logs        .stack/logs');
    terminal.line();
    terminal.line(
      'bank takes signed JSON, issuer encrypted envelopes, partner Standard Webhooks; #n is the place in the stream.',
    );
    terminal.line(`The partner’s receiver refuses Ben’s onboarding and Ada’s card for ${FAIL_FOR_MS / 1_000} s.`);
    terminal.line();
  }

  /** Publishes, watches, and judges. True when everything arrived in order and no lane is blocked. */
  async #show(api: StatusApi, service: DomainService, deadlineMs: number): Promise<boolean> {
    const { terminal, signal } = this.#options;
    const narrator = (this.#narrator = new Narrator(terminal, systemClock.monotonic()));
    const scenario = playScenario({
      service,
      tenantId: TENANT,
      pause: () => pause(PAUSE_MS, signal),
      onStream: (streamId, name, failsAt) => {
        narrator.name(streamId, name);
        if (failsAt !== null) this.#receiver.failFor(failsAt, streamId, FAIL_FOR_MS);
      },
      onPublished: (event) => this.#published.push(event),
    });
    const watching = new AbortController();
    const watch = this.#watchLanes(api, narrator, watching.signal);
    await Promise.race([scenario, watch]);
    let isGood = false;
    while (!isGood && systemClock.monotonic() < deadlineMs) {
      await Promise.race([pause(LOOK_EVERY_MS, signal), watch]);
      isGood = isComplete(judge(this.#published, this.#arrivals)) && (await api.findBlockedLanes(TENANT)).length === 0;
    }
    watching.abort();
    const isShown = this.#conclude(narrator, isGood);
    if (!isGood) await this.#explain();
    return isShown;
  }

  #conclude(narrator: Narrator, isDelivered: boolean): boolean {
    const { terminal } = this.#options;
    const verdicts = judge(this.#published, this.#arrivals).toSorted((a, b) =>
      a.subscription.localeCompare(b.subscription),
    );
    const faults = verdicts.flatMap((verdict) => verdict.faults);
    const delivered = verdicts.reduce((sum, verdict) => sum + verdict.delivered, 0);
    const expected = verdicts.reduce((sum, verdict) => sum + verdict.expected, 0);
    narrator.table(verdicts);
    const isGood = isDelivered && faults.length === 0;
    const summary = `${delivered} of ${expected} deliveries, ${faults.length} faults of order or signature, ${this.#arrivals.length} requests`;
    terminal.line(
      isGood
        ? terminal.paint('green', `All arrived, in order: ${summary}.`)
        : terminal.paint('red', `Not good: ${summary}.`),
    );
    return isGood;
  }

  /** What the processes themselves say when something is missing at the end. */
  async #explain(): Promise<void> {
    const { terminal, signal } = this.#options;
    for (const { name, managementPort } of this.#services) {
      const reasons = await findUnreadiness(managementPort, signal);
      if (reasons !== null) terminal.line(terminal.paint('red', `${name} is not ready: ${reasons}`));
    }
    terminal.line('See .stack/logs for what each process did.');
  }

  /** Looks at the blocked lanes until told to stop; only a fault of the API ends it earlier. */
  async #watchLanes(api: StatusApi, narrator: Narrator, until: AbortSignal): Promise<never> {
    while (!until.aborted) {
      for (const lane of await api.findBlockedLanes(TENANT)) {
        const subscription = this.#subscriptionOf.get(lane.endpointId);
        if (subscription !== undefined) narrator.blocked(lane, subscription, systemClock.monotonic());
      }
      await pause(LOOK_EVERY_MS, this.#options.signal);
    }
    return new Promise<never>(() => undefined);
  }

  #stayUp(ports: Ports): Promise<never> {
    const { terminal } = this.#options;
    terminal.line();
    terminal.line('Waybill goes on running; Ctrl-C stops it. In another shell:');
    terminal.line('  . .stack/demo.env');
    terminal.line('  curl -H "Authorization: Bearer $WAYBILL_ADMIN_TOKEN" "$API/v1/deliveries?tenantId=demo&limit=5"');
    terminal.line(
      `  curl -H 'content-type: application/json' -d '{"tenantId":"demo","applicant":"You"}' http://127.0.0.1:${ports.service}/applications`,
    );
    terminal.line(
      `  curl -X POST http://127.0.0.1:${ports.service}/applications/<its id>/approve     (then sign, complete)`,
    );
    terminal.line();
    return new Promise<never>(() => undefined);
  }

  async #forgetEndpoints(): Promise<void> {
    if (this.#subscriptionOf.size === 0 || !this.#api) return;
    await this.#api
      .withSignal(AbortSignal.timeout(2_000))
      .deleteEndpoints(TENANT)
      .catch(() => undefined);
  }

  async #within(name: string, work: Promise<void>): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new DemoFault(`${name} is not done after ${READY_WITHIN_MS / 1_000} s: see .stack/logs/${name}.log`));
    }, READY_WITHIN_MS);
    await Promise.race([work, promise]).finally(() => clearTimeout(timer));
  }
}

/** Rejects when the demo is to end. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal });
}
