// Every way of the run's processes to PostgreSQL and Kafka leads through a proxy; their targets reach nothing else.
import { type Random, seededRandom } from '#clock';
import { freePorts } from '../../deploy/local/index.ts';
import type { Cluster } from './cluster.ts';
import { FaultProxy, type Weather } from './fault-proxy.ts';

export class Network implements AsyncDisposable {
  readonly #databaseUrl: string;
  readonly #databases = new Map<string, FaultProxy>();
  readonly #zones: FaultProxy[][] = [];
  readonly #kafka: string[];

  private constructor(databaseUrl: string, kafka: string[]) {
    this.#databaseUrl = databaseUrl;
    this.#kafka = kafka;
  }

  /** A way to PostgreSQL for each of `clients`, and one to Kafka for each zone. */
  static async open(cluster: Cluster, clients: readonly string[], seed: number): Promise<Network> {
    const zones = cluster.zones;
    const brokers = zones.map((ports) => ports.map(({ advertised }) => `127.0.0.1:${advertised}`).join(','));
    const network = new Network(cluster.addresses.DATABASE_URL, brokers);
    const target = Number(new URL(cluster.addresses.DATABASE_URL).port);
    const random: Random = seededRandom(seed);
    const ports = await freePorts(clients.length);
    for (const [index, client] of clients.entries()) {
      network.#databases.set(client, await FaultProxy.open({ listen: ports[index]!, target }, random));
    }
    for (const brokersOfZone of zones) {
      const proxies = brokersOfZone.map(({ listen, advertised }) =>
        FaultProxy.open({ listen: advertised, target: listen }, random),
      );
      network.#zones.push(await Promise.all(proxies));
    }
    return network;
  }

  databaseUrl(client: string): string {
    const url = new URL(this.#databaseUrl);
    url.port = String(this.#databases.get(client)!.port);
    return url.href;
  }

  /** `zone` counts from 0. */
  kafkaBrokers(zone: number): string {
    return this.#kafka[zone]!;
  }

  database(client: string): FaultProxy {
    return this.#databases.get(client)!;
  }

  setZone(zone: number, weather: Partial<Weather> = {}): void {
    for (const proxy of this.#zones[zone]!) proxy.set(weather);
  }

  heal(): void {
    for (const proxy of [...this.#databases.values(), ...this.#zones.flat()]) proxy.set();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const proxies = [...this.#databases.values(), ...this.#zones.flat()];
    await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}
