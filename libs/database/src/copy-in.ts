// COPY … FROM STDIN whose rows are sent with the statement, without a wait for the server's word that it may begin.
import { type Connection, Query } from 'pg';
import type { PoolClient } from './pool.ts';

/** What pg's connection has beside its types. */
interface CopyConnection extends Connection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** Enough to spare the server a system call for each row, little enough for its buffers to be used again. */
const CHUNK_BYTES = 65_536;

/**
 * Runs `COPY … FROM STDIN` with `data`, which may be overwritten as soon as this has returned. A server that refuses the
 * statement skips the data, as the protocol has it: nothing is lost by sending it unasked.
 */
export function copyIn(client: PoolClient, text: string, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(text, data, (error) => (error ? reject(error) : resolve())));
  });
}

/** A Query to pg, because a connection with pipelining takes nothing else. */
class CopyIn extends Query {
  readonly #text: string;
  readonly #data: Buffer;

  constructor(text: string, data: Buffer, done: (error: Error | undefined) => void) {
    super(text, done);
    this.#text = text;
    this.#data = data;
  }

  override submit = (connection: Connection): void => {
    const { stream } = connection;
    stream.cork();
    connection.query(this.#text);
    for (let at = 0; at < this.#data.length; at += CHUNK_BYTES) {
      (connection as CopyConnection).sendCopyFromChunk(this.#data.subarray(at, at + CHUNK_BYTES));
    }
    (connection as CopyConnection).endCopyFrom();
    stream.uncork();
  };

  handleCopyInResponse(): void {
    // All is sent already.
  }
}
