// One kafkajs instance with its sockets, so that it can be cut off at once and replaced by a fresh one.
import { type Clock, type Random, systemClock } from '#clock';
import type { ISocketFactory, Kafka, KafkaConfig, SASLOptions } from 'kafkajs';
import net from 'node:net';
import tls from 'node:tls';
import { clientLogs } from './client-logs.ts';
import { Kafka as KafkaJs, logLevel } from './kafkajs.ts';
import type { KafkaLogger } from './port.ts';

export interface KafkaSettings {
  /** host:port of one or more brokers to start from. */
  brokers: readonly string[];
  clientId: string;
  /** TLS; with `ca`, PEM text of the authorities to trust instead of the system's. */
  ssl?: boolean | { ca: string };
  sasl?: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string };
  logger: KafkaLogger;
  clock?: Clock;
  random?: Random;
  /** Bound on one TCP and TLS connect. 3,000 by default. */
  connectTimeoutMs?: number;
  /** Bound on one answer of a broker, join requests excepted. 10,000 by default. */
  requestTimeoutMs?: number;
}

/** What producers, consumers and admins share: the settings with defaults, and a way to open links. */
export interface LinkFactory {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: KafkaLogger;
  readonly requestTimeoutMs: number;
  open(onLastSocketClosed?: () => void): Link;
}

export interface Link {
  readonly kafka: Kafka;
  /** Established connections. */
  openSockets(): number;
  /** Cuts every connection and lets no new one be made: whatever still runs inside kafkajs fails and ends. */
  destroy(): void;
}

// Inside kafkajs a few quick tries; the supervisors here go on for ever, and start from a clean state each time.
// Spelt out in full because kafkajs has other defaults when NODE_ENV is "test".
const RETRY = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2 };
const KEEP_ALIVE_MS = 10_000;

export function linkFactory(settings: KafkaSettings): LinkFactory {
  const { clock = systemClock, random = Math.random, logger, requestTimeoutMs = 10_000 } = settings;
  const base: KafkaConfig = {
    brokers: [],
    clientId: settings.clientId,
    connectionTimeout: settings.connectTimeoutMs ?? 3_000,
    authenticationTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry: RETRY,
    logLevel: logLevel.WARN,
    logCreator: clientLogs(logger, clock),
    ...(settings.sasl ? { sasl: settings.sasl as SASLOptions } : {}),
    ...(settings.ssl ? { ssl: settings.ssl === true ? true : { ca: [settings.ssl.ca] } } : {}),
  };
  let opened = 0;
  return {
    clock,
    random,
    logger,
    requestTimeoutMs,
    // kafkajs always begins with the first broker of its list, so each link begins with the next one.
    open: (onLastSocketClosed) =>
      openLink({ ...base, brokers: rotate(settings.brokers, opened++) }, onLastSocketClosed),
  };
}

function openLink(config: KafkaConfig, onLastSocketClosed: (() => void) | undefined): Link {
  const sockets = new Set<net.Socket>();
  const established = new Set<net.Socket>();
  let destroyed = false;
  const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (destroyed) throw new Error('this link was given up');
    const connected = () => {
      established.add(socket);
      onConnect();
    };
    const socket = connect(host, port, ssl, connected);
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      if (established.delete(socket) && established.size === 0 && !destroyed) onLastSocketClosed?.();
    });
    return socket;
  };
  return {
    kafka: new KafkaJs({ ...config, socketFactory }),
    openSockets: () => established.size,
    destroy: () => {
      destroyed = true;
      // With an error: kafkajs does not listen to "close" and would wait for its answers for ever.
      for (const socket of sockets) socket.destroy(new Error('disconnected: this link was given up'));
    },
  };
}

function connect(host: string, port: number, ssl: tls.ConnectionOptions | boolean, connected: () => void): net.Socket {
  const options = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  if (!ssl) return net.connect(options, connected);
  const serverName = net.isIP(host) === 0 ? { servername: host } : {};
  return tls.connect({ ...options, ...serverName, ...(ssl === true ? {} : ssl) }, connected);
}

function rotate<T>(list: readonly T[], by: number): T[] {
  const start = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}
