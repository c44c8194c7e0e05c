// The classes of failure that are stored, shown and counted, and how raw errors become one of them.
import { errors } from 'undici';
import type { BlockReason } from './address-guard.ts';

/**
 * | class | means |
 * |---|---|
 * | timeout | the deadline passed before the response's headers were complete |
 * | dns | the name has no address, or no name server answered |
 * | connection_refused | nothing listens there |
 * | unreachable | no route to the address |
 * | connection_reset | the connection was closed or broke before a response's headers were complete |
 * | tls | the handshake failed: certificate, name, version, or no TLS there at all |
 * | blocked_target | the address guard forbids the URL or an address of its name |
 * | protocol | the answer was not HTTP/1.1, or its headers were larger than 16 KiB |
 * | invalid_request | our request cannot be sent as it is: a header that HTTP does not allow |
 * | local_fault | this machine is out of sockets, ports or memory; the endpoint is not to blame |
 * | aborted | we stopped it ourselves: lost lease or shutdown |
 * | network | any other network error |
 */
export const ERROR_CLASSES = [
  'timeout',
  'dns',
  'connection_refused',
  'unreachable',
  'connection_reset',
  'tls',
  'blocked_target',
  'protocol',
  'invalid_request',
  'local_fault',
  'aborted',
  'network',
] as const;
export type ErrorClass = (typeof ERROR_CLASSES)[number];

/** A connection that was never made. Its code is no code of undici's, which would connect again by itself after some of those. */
export class ConnectFault extends Error {
  readonly code = 'WAYBILL_CONNECT_FAULT';
  readonly errorClass: ErrorClass;
  readonly blockReason: BlockReason | undefined;

  constructor(errorClass: ErrorClass, blockReason?: BlockReason) {
    super(errorClass);
    this.errorClass = errorClass;
    this.blockReason = blockReason;
  }
}

const BY_CODE: Record<string, ErrorClass> = {
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_reset',
  EPIPE: 'connection_reset',
  ECONNABORTED: 'connection_reset',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EAFNOSUPPORT: 'unreachable',
  ETIMEDOUT: 'timeout',
  ERR_SOCKET_CONNECTION_TIMEOUT: 'timeout',
  EPROTO: 'tls',
  EMFILE: 'local_fault',
  ENFILE: 'local_fault',
  ENOBUFS: 'local_fault',
  ENOMEM: 'local_fault',
  EADDRNOTAVAIL: 'local_fault',
  UND_ERR_HEADERS_OVERFLOW: 'protocol',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'protocol',
  UND_ERR_INVALID_ARG: 'invalid_request',
  UND_ERR_NOT_SUPPORTED: 'invalid_request',
  UND_ERR_DESTROYED: 'aborted',
  UND_ERR_CLOSED: 'aborted',
};

/** The class of an error from a socket, TLS or undici. */
export function classify(error: unknown): ErrorClass {
  if (error instanceof ConnectFault) return error.errorClass;
  if (error instanceof errors.HTTPParserError) return 'protocol'; // Its code depends on undici's build.
  // One error for several addresses: the last one tried speaks for all.
  if (error instanceof AggregateError) return classify(error.errors.at(-1));
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code !== 'string') return 'network';
  // undici has one code for "other side closed" and for answers that it did not expect (a "100", an upgrade).
  if (code === 'UND_ERR_SOCKET') return String(message).startsWith('bad ') ? 'protocol' : 'connection_reset';
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return 'tls';
  return BY_CODE[code] ?? 'network';
}

/** The class of an error between the TCP connection and the end of the TLS handshake: certificate faults have many codes. */
export function classifyHandshake(error: unknown): ErrorClass {
  const errorClass = classify(error);
  return errorClass === 'connection_reset' || errorClass === 'timeout' || errorClass === 'local_fault'
    ? errorClass
    : 'tls';
}
