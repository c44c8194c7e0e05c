// Opens a socket to a target, and only to addresses that the guard has just seen.
import { connect as connectTcp, isIPv6, type LookupFunction, type Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { AddressGuard, Target } from './address-guard.ts';
import { classify, classifyHandshake, ConnectFault, type ErrorClass } from './errors.ts';
import type { Resolve } from './resolver.ts';

export interface ConnectorOptions {
  guard: AddressGuard;
  resolve: Resolve;
  tls: SecureContext;
}

/** Where the TLS session of an origin is kept, so that its next connection needs no full handshake. */
export interface SessionKeeper {
  tlsSession: Buffer | undefined;
}

/** Called once: with a connected socket, or with why there is none. */
type Opened = (fault: ConnectFault | null, socket?: Socket) => void;

interface Dialling {
  succeed: () => void;
  fail: (error: unknown, toClass: (error: unknown) => ErrorClass) => void;
}

// A name with many dead addresses: each gets this long (the last one the rest of the deadline), and no more than this many are tried.
const NEXT_ADDRESS_AFTER_MS = 1_000;
const MOST_ADDRESSES_TRIED = 8;

/** TLS 1.2 or newer. `extraCa`: certificates in PEM that are trusted beside the system's. Made once: it holds over a hundred roots. */
export function createTlsContext(extraCa: readonly string[] = []): SecureContext {
  const ca = extraCa.length > 0 ? { ca: [...getCACertificates('default'), ...extraCa] } : {};
  return createSecureContext({ minVersion: 'TLSv1.2', ...ca });
}

/** Starts to connect; returns how to give up, which closes what is open so far and leaves `opened` uncalled. */
export function openSocket(
  target: Target,
  keeper: SessionKeeper,
  options: ConnectorOptions,
  opened: Opened,
): () => void {
  let socket: Socket | undefined;
  let isSettled = false;

  const dialling: Dialling = {
    succeed: () => {
      if (isSettled) return;
      isSettled = true;
      opened(null, socket);
    },
    // Also called for errors long after, when the socket is undici's and closes: those are none of ours.
    fail: (error, toClass) => {
      if (isSettled) return;
      isSettled = true;
      socket?.destroy();
      opened(error instanceof ConnectFault ? error : new ConnectFault(toClass(error)));
    },
  };

  vettedAddresses(target, options)
    .then((addresses) => {
      if (isSettled) return;
      const dial = target.protocol === 'https:' ? dialTls : dialTcp;
      socket = dial(target, addresses, dialling, keeper, options.tls).setNoDelay(true);
      socket.once('connect', () => {
        // By construction the peer is a vetted address. Should that ever break, nothing of the request has been sent yet.
        const peer = socket?.remoteAddress;
        const reason = peer === undefined ? null : options.guard.checkAddress(peer, target.port);
        if (reason !== null) dialling.fail(new ConnectFault('blocked_target', reason), classify);
      });
    })
    .catch((error: unknown) => dialling.fail(error, () => 'local_fault'));

  return () => {
    isSettled = true;
    socket?.destroy();
  };
}

/** The addresses to try. One forbidden address among a name's answers condemns the name: which one is used would be the attacker's choice. */
async function vettedAddresses(target: Target, { guard, resolve }: ConnectorOptions): Promise<readonly string[]> {
  const addresses = target.isLiteral
    ? [target.host]
    : (guard.localAddresses(target.host) ?? (await ask(resolve, target.host)));
  for (const address of addresses) {
    const reason = guard.checkAddress(address, target.port);
    if (reason !== null) throw new ConnectFault('blocked_target', reason);
  }
  if (addresses.length === 0) throw new ConnectFault('dns');
  return addresses.slice(0, MOST_ADDRESSES_TRIED);
}

async function ask(resolve: Resolve, host: string): Promise<readonly string[]> {
  try {
    return await resolve(host);
  } catch (error) {
    throw new ConnectFault(classify(error) === 'local_fault' ? 'local_fault' : 'dns');
  }
}

function dialTcp(target: Target, addresses: readonly string[], dialling: Dialling): Socket {
  const socket = connectTcp(destination(target, addresses));
  // As a microtask: after every listener of the event, so after the check of the peer's address.
  socket.once('connect', () => queueMicrotask(dialling.succeed));
  return socket.on('error', (error) => dialling.fail(error, classify));
}

function dialTls(
  target: Target,
  addresses: readonly string[],
  dialling: Dialling,
  keeper: SessionKeeper,
  secureContext: SecureContext,
): TLSSocket {
  let isConnected = false;
  let isVerified = false;
  let newSession: Buffer | undefined;
  const socket = connectTls({
    ...destination(target, addresses),
    secureContext,
    rejectUnauthorized: true, // Stated, so that NODE_TLS_REJECT_UNAUTHORIZED=0 cannot switch it off.
    ALPNProtocols: ['http/1.1'],
    ...(target.isLiteral ? {} : { servername: target.host }), // RFC 6066: no literals in SNI. Their certificate must name the address.
    ...(keeper.tlsSession === undefined ? {} : { session: keeper.tlsSession }),
  });
  socket.once('connect', () => (isConnected = true));
  // A resumed session skips the check of the name, so only a session whose first handshake passed that check may be kept.
  socket.on('session', (session) => {
    newSession = session;
    if (isVerified) keeper.tlsSession = session;
  });
  socket.once('secureConnect', () => {
    isVerified = true;
    keeper.tlsSession = newSession ?? keeper.tlsSession;
    dialling.succeed();
  });
  return socket.on('error', (error) => dialling.fail(error, isConnected ? classifyHandshake : classify));
}

function destination(target: Target, addresses: readonly string[]) {
  return {
    host: target.host,
    port: target.port,
    lookup: answering(addresses),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
  };
}

/** A lookup that knows one answer: the socket connects to exactly what was vetted, whatever DNS would say a moment later. */
function answering(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, options, callback) => {
    const first = answers[0];
    if (options.all) callback(null, answers);
    else callback(null, first?.address ?? '', first?.family);
  };
}
