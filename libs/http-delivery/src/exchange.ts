// One attempt on the wire: from the call to the one result it settles with.
import type { Dispatcher } from 'undici';
import { classify, ConnectFault, type ErrorClass } from './errors.ts';
import type { BlockReason } from './address-guard.ts';

export type HttpResult =
  | {
      kind: 'response';
      statusCode: number;
      /** Lower-case names; repeated headers joined with a comma and a blank. At most 16 KiB. */
      headers: Record<string, string>;
      /** The first 16 KiB of the body as it was sent, as UTF-8 with U+FFFD for whatever is not (or is NUL, which PostgreSQL cannot hold). */
      bodyHead: string;
      durationMs: number;
    }
  | {
      kind: 'failed';
      errorClass: ErrorClass;
      /** For `blocked_target`. */
      blockReason?: BlockReason;
      durationMs: number;
      /** The receiver may have seen the request, so the outcome is unknown. False: it certainly has not. */
      bytesSent: boolean;
    };

/** What an exchange needs of the connection that it runs on. */
export interface Carrier {
  /** The response has ended: the connection may carry another request. */
  release(): void;
  /** The connection is of no more use: closes it, whatever state it is in. */
  discard(): void;
}

const MOST_BODY_BYTES = 16 * 1024;

/**
 * Success is decided by the status line: once a response's headers are complete the result is that response, even if its body never
 * ends, breaks off, or the deadline passes meanwhile. The body is kept up to 16 KiB; whoever sends more loses the connection instead
 * of our time.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly startedAt: number;
  readonly #now: () => number;
  readonly #settle: (result: HttpResult) => void;
  #carrier: Carrier | null;
  #isSent = false;
  #statusCode = 0;
  #headers: Record<string, string | string[] | undefined> = {};
  #body: Buffer | null = null;
  #chunks: Buffer[] | null = null;
  #bodyBytes = 0;

  constructor(carrier: Carrier, now: () => number, settle: (result: HttpResult) => void) {
    this.#carrier = carrier;
    this.#now = now;
    this.startedAt = now();
    this.#settle = settle;
  }

  /** False until the request's first byte is handed to the socket. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** The deadline passed, or the caller gave up. */
  stop(errorClass: 'timeout' | 'aborted'): void {
    this.#finish(errorClass, null);
  }

  onRequestStart(): void {
    // undici calls this before it writes anything; throwing here withdraws the request.
    if (this.#carrier === null) throw new ConnectFault('aborted');
    this.#isSent = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // A buffer for each name and value, 1.1 kB. What undici has of a request is in the old generation by now, as a rule: all that
    // it refers to would follow it there, and stay until the next full collection.
    controller.rawHeaders = null;
    if (statusCode < 200) return; // Informational, perhaps one of an endless row: the deadline goes on.
    this.#statusCode = statusCode;
    this.#headers = headers;
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    const room = MOST_BODY_BYTES - this.#bodyBytes;
    const kept = chunk.length <= room ? chunk : chunk.subarray(0, room);
    this.#bodyBytes += kept.length;
    if (this.#body === null) this.#body = kept;
    else (this.#chunks ??= [this.#body]).push(kept);
    if (chunk.length > room) this.#finish('connection_reset', null);
  }

  onResponseEnd(): void {
    const carrier = this.#carrier;
    if (carrier === null) return;
    this.#carrier = null;
    carrier.release();
    this.#settle(this.#response());
  }

  onResponseError(_controller: unknown, error: unknown): void {
    this.#finish(classify(error), error instanceof ConnectFault ? error : null);
  }

  #finish(errorClass: ErrorClass, fault: ConnectFault | null): void {
    const carrier = this.#carrier;
    if (carrier === null) return;
    this.#carrier = null;
    carrier.discard();
    this.#settle(this.#statusCode > 0 ? this.#response() : this.#failure(errorClass, fault));
  }

  #failure(errorClass: ErrorClass, fault: ConnectFault | null): HttpResult {
    const failure = {
      kind: 'failed',
      errorClass,
      durationMs: this.#now() - this.startedAt,
      bytesSent: this.#isSent,
    } as const;
    return fault?.blockReason === undefined ? failure : { ...failure, blockReason: fault.blockReason };
  }

  #response(): HttpResult {
    return {
      kind: 'response',
      statusCode: this.#statusCode,
      headers: joinRepeated(this.#headers),
      bodyHead: this.#body === null ? '' : toText(this.#chunks === null ? this.#body : Buffer.concat(this.#chunks)),
      durationMs: this.#now() - this.startedAt,
    };
  }
}

// Nearly always nothing is repeated, and undici's fresh object will do as it is.
function joinRepeated(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === 'object') headers[name] = value.join(', ');
  }
  return headers as Record<string, string>;
}

function toText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text;
}
