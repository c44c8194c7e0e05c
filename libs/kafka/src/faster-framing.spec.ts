// Checks that our requests go out byte for byte as kafkajs would send them, and from the buffer that they were written to.
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { type CreateRequest, fasterFraming } from './faster-framing.ts';
import { Kafka, logLevel } from './kafkajs.ts';
import type { EncodedRequest } from './kafkajs-module.ts';
import { RequestWriter } from './request-writer.ts';

const require = createRequire(import.meta.url);

/** As kafkajs has it, which `kafkajs.ts` took out of the module's cache entry. */
function originalFraming(): CreateRequest {
  const file = require.resolve('kafkajs/src/protocol/request.js');
  const replaced = require.cache[file];
  delete require.cache[file];
  const original = require(file) as CreateRequest;
  require.cache[file] = replaced;
  return original;
}

function requestOf(body: Uint8Array, numbers: { apiKey: number; apiVersion: number }): EncodedRequest {
  const writer = new RequestWriter(body.length);
  for (const byte of body) writer.int8(byte);
  return { ...numbers, apiName: 'Produce', encode: () => Promise.resolve(writer) };
}

const body = fc.uint8Array({ maxLength: 2_000 });
const header = fc.record({
  apiKey: fc.nat(100),
  apiVersion: fc.nat(20),
  correlationId: fc.nat(2 ** 31 - 1),
  clientId: fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.string({ minLength: 90, maxLength: 140 })),
});

describe('fasterFraming', () => {
  const original = originalFraming();
  const ours = fasterFraming(original);

  it('writes the bytes that kafkajs writes, whatever the client is called', async () => {
    await fc.assert(
      fc.asyncProperty(body, header, async (bytes, { correlationId, clientId, ...numbers }) => {
        const request = requestOf(bytes, numbers);
        const [mine, theirs] = await Promise.all([
          ours({ correlationId, clientId, request }),
          original({ correlationId, clientId, request }),
        ]);
        expect(mine.buffer.equals(theirs.buffer)).toBe(true);
      }),
    );
  });

  it('leaves to kafkajs the requests that it encodes itself, and encodes them once', async () => {
    let encoded = 0;
    const theirBody = { buf: Buffer.from('abc'), buffer: Buffer.from('ab') };
    const encode = () => Promise.resolve((encoded++, theirBody));
    const given = {
      correlationId: 1,
      clientId: 'me',
      request: { apiKey: 3, apiVersion: 1, apiName: 'Metadata', encode },
    };
    const { buffer } = await ours(given);
    expect(encoded).toBe(1);
    expect(buffer.equals((await original(given)).buffer)).toBe(true);
  });
});

it('is what the connections of our kafkajs frame with: the socket gets the memory that the body was written to', async () => {
  expect([Kafka, logLevel]).not.toContain(undefined);
  const Connection = require('kafkajs/src/network/connection.js') as new (options: object) => {
    connectionStatus: string;
    socket: { write: (data: Buffer) => void };
    send: (given: object) => Promise<unknown>;
  };
  const silent = { debug() {}, error() {}, namespace: () => silent };
  const connection = new Connection({ host: 'nowhere', port: 1, logger: silent, requestTimeout: 100 });
  const request = requestOf(Buffer.from('body'), { apiKey: 18, apiVersion: 2 });
  const sent = Promise.withResolvers<Buffer>();
  connection.connectionStatus = 'connected';
  connection.socket = { write: sent.resolve };
  void connection.send({ request, response: {} });
  expect((await sent.promise).buffer).toBe((await request.encode()).buf.buffer);
});
