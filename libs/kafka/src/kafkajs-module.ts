// Puts our code in the place of a module of kafkajs.
import { createRequire } from 'node:module';
import type { RequestWriter } from './request-writer.ts';

/** A request as kafkajs sends it. */
export interface EncodedRequest {
  apiKey: number;
  apiVersion: number;
  apiName: string;
  /** `buffer` is the body; kafkajs takes it if `buf` is a Buffer, too. */
  encode: () => Promise<{ buf: Buffer; buffer: Buffer }>;
}

/** The same request with another body, which is made when it is sent. */
export function withBody(request: EncodedRequest, bodyOf: () => RequestWriter): EncodedRequest {
  return { ...request, encode: () => Promise.resolve(bodyOf()) };
}

/**
 * kafkajs loads requests and responses of a protocol version by file when it first needs them, so a prepared entry in the
 * module cache is enough; call before that. Changes nothing where the module's exports are not found or
 * not what they were: that is another release of kafkajs, which is slower then, but right.
 */
export function replaceModule<T extends object>(
  file: string,
  isExpected: (exports: T) => boolean,
  replacement: (original: T) => T,
): void {
  const require = createRequire(import.meta.url);
  try {
    const original = require(file) as T;
    const loaded = require.cache[require.resolve(file)];
    if (loaded && isExpected(original)) loaded.exports = replacement(original);
  } catch {
    // not there
  }
}
