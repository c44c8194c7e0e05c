// Puts our code in the place of a module of kafkajs.
import { createRequire } from 'node:module';

/**
 * kafkajs loads requests and responses of a protocol version by file when it first needs them, so a prepared entry in the
 * module cache is enough; call before that. Returns the module's own exports, or null (and changes nothing) where they are
 * not found or not what they were: that is another release of kafkajs, which is slower then, but right.
 */
export function replaceModule<T extends object>(
  file: string,
  isExpected: (exports: T) => boolean,
  replacement: (original: T) => T,
): T | null {
  const require = createRequire(import.meta.url);
  try {
    const original = require(file) as T;
    const loaded = require.cache[require.resolve(file)];
    if (!loaded || !isExpected(original)) return null;
    loaded.exports = replacement(original);
    return original;
  } catch {
    return null;
  }
}
