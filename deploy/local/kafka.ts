// Apache Kafka in KRaft mode: one node, or three with every record on all of them; each is broker and controller.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { coordinatorAnswers, knownBrokers } from './kafka-probe.ts';
import type { Part } from './part.ts';
import type { BrokerPorts } from './state.ts';

/** Partitions of the topic with committed offsets; each has a group coordinator that must be awake before "ready". */
const OFFSETS_PARTITIONS = 4;

export interface KafkaOptions {
  /** The stack's folder, absolute. */
  dir: string;
  clusterId: string;
  brokers: readonly BrokerPorts[];
  /** Of the Java program and of the folder with the broker's jar files; asked only when a node has to be started. */
  runtime(): Promise<{ java: string; kafkaDir: string }>;
}

export function brokerList(brokers: readonly BrokerPorts[]): string[] {
  return brokers.map((ports) => `127.0.0.1:${ports.client}`);
}

export function kafkaParts(options: KafkaOptions): Part[] {
  return options.brokers.map((ports, index) => {
    const id = index + 1;
    const home = join(options.dir, `kafka-${id}`);
    const config = join(home, 'server.properties');
    return {
      name: `kafka-${id}`,
      port: ports.client,
      marker: config,
      stopSignal: 'SIGTERM',
      killSignal: 'SIGKILL',
      dataDirs: [home],
      async prepare() {
        const { java, kafkaDir } = await options.runtime();
        mkdirSync(home, { recursive: true });
        writeFileSync(config, properties(serverProperties(options, id, join(home, 'data'))));
        await format(options.clusterId, id, join(home, 'data'), java, kafkaDir);
        return { command: java, args: [...javaArguments(kafkaDir), 'kafka.Kafka', config], cwd: home };
      },
      probe: async () => (await knownBrokers(ports.client)).length > 0,
    };
  });
}

/** One explicit jar list in a fixed order: with a wildcard the JVM could not share its class archive. */
function javaArguments(kafkaDir: string): string[] {
  const jars = readdirSync(kafkaDir).filter((name) => name.endsWith('.jar'));
  const classPath = jars.toSorted().map((name) => join(kafkaDir, name));
  return [
    '-Xms64m',
    '-Xmx384m',
    // Quick to start and small, for a broker that shares two cores with everything else.
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    '-XX:-UsePerfData',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
    '-cp',
    classPath.join(':'),
  ];
}

/** The node's configuration. Names and defaults: https://kafka.apache.org/documentation/#configuration */
export function serverProperties(
  options: Pick<KafkaOptions, 'brokers'>,
  id: number,
  dataDir: string,
): Record<string, string | number | boolean> {
  const { client, controller, zones = [] } = options.brokers[id - 1]!;
  const names = zones.map((_, i) => `ZONE_${i + 1}`);
  const also = (write: (name: string, i: number) => string) => names.map((name, i) => `,${write(name, i)}`).join('');
  const copies = Math.min(3, options.brokers.length);
  const leastInSync = Math.max(1, copies - 1);
  return {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': options.brokers.map((b, i) => `${i + 1}@127.0.0.1:${b.controller}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT${also((name) => `${name}:PLAINTEXT`)}`,
    'inter.broker.listener.name': 'CLIENT',
    listeners: `CLIENT://127.0.0.1:${client},CONTROLLER://127.0.0.1:${controller}${also((name, i) => `${name}://127.0.0.1:${zones[i]!.listen}`)}`,
    'advertised.listeners': `CLIENT://127.0.0.1:${client}${also((name, i) => `${name}://127.0.0.1:${zones[i]!.advertised}`)}`,
    'log.dirs': dataDir,
    'auto.create.topics.enable': false,
    'default.replication.factor': copies,
    'min.insync.replicas': leastInSync,
    'offsets.topic.num.partitions': OFFSETS_PARTITIONS,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.num.partitions': 4,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': leastInSync,
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': leastInSync,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    // After kill -9 the node is let in again only when its old session has run out.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    ...(copies > 1 && {
      'controller.quorum.election.timeout.ms': 500,
      'controller.quorum.fetch.timeout.ms': 1_000,
      'replica.lag.time.max.ms': 5_000,
    }),
    'num.network.threads': 2,
    'num.io.threads': 4,
    'background.threads': 2,
    'log.cleaner.dedupe.buffer.size': 16_777_216,
    'log.segment.bytes': 67_108_864,
    'log.index.size.max.bytes': 1_048_576,
  };
}

function properties(entries: Record<string, string | number | boolean>): string {
  const lines = Object.entries(entries).map(([name, value]) => `${name}=${value}`);
  return `# Written by the local stack at every start.\n${lines.join('\n')}\n`;
}

/**
 * Gives the data folder its ids. Kafka's own formatter takes most of a second per node, and all it writes besides the
 * ids is one small file of feature levels: it runs once per version, and nodes get a copy.
 */
async function format(clusterId: string, nodeId: number, dataDir: string, java: string, kafkaDir: string) {
  if (existsSync(join(dataDir, 'meta.properties'))) return;
  rmSync(dataDir, { recursive: true, force: true });
  cpSync(await formattedTemplate(java, kafkaDir), dataDir, { recursive: true });
  const ids = {
    version: 1,
    'cluster.id': clusterId,
    'node.id': nodeId,
    'directory.id': randomBytes(16).toString('base64url'),
  };
  // Last, and in one step: a folder with this file counts as formatted.
  writeFileSync(join(dataDir, 'meta.properties.new'), properties(ids));
  renameSync(join(dataDir, 'meta.properties.new'), join(dataDir, 'meta.properties'));
}

async function formattedTemplate(java: string, kafkaDir: string): Promise<string> {
  const template = `${kafkaDir}-formatted`;
  if (existsSync(template)) return template;
  const mine = `${template}.${process.pid}.${randomBytes(4).toString('hex')}`;
  mkdirSync(mine, { recursive: true });
  const config = join(mine, 'server.properties');
  writeFileSync(config, properties(serverProperties({ brokers: [{ client: 1, controller: 2 }] }, 1, mine)));
  const tool = [...javaArguments(kafkaDir), 'kafka.tools.StorageTool', 'format'];
  await promisify(execFile)(java, [
    ...tool,
    '-t',
    Buffer.from('local-stack-kafka').subarray(0, 16).toString('base64url'),
    '-c',
    config,
  ]);
  for (const own of ['server.properties', 'meta.properties']) rmSync(join(mine, own));
  try {
    renameSync(mine, template);
  } catch {
    // Another node was quicker; both made the same.
    rmSync(mine, { recursive: true, force: true });
  }
  return template;
}

/**
 * True when every broker knows all the others and every group coordinator answers. Without the second, the first
 * consumer of a fresh cluster gets "coordinator is loading", which kafkajs may answer by crashing and joining again.
 */
export async function isClusterReady(brokers: readonly BrokerPorts[]): Promise<boolean> {
  const known = await Promise.all(brokers.map((broker) => knownBrokers(broker.client)));
  if (known.some((ports) => ports.length < brokers.length)) return false;
  // Kafka picks the coordinator by the id's Java hash code: successive last letters reach successive partitions.
  const groups = Array.from({ length: OFFSETS_PARTITIONS }, (_, i) => `local-stack-warm-up-${i}`);
  const answers = await Promise.all(groups.map((group) => coordinatorAnswers(brokers[0]!.client, group)));
  return answers.every(Boolean);
}
