import { describe, expect, it } from 'vitest';
import { deferred, FakeClock } from '#clock';
import { Cached } from './cached.ts';

describe('a cached value', () => {
  it('is read again only when it is too old', async () => {
    const clock = new FakeClock();
    let reads = 0;
    const cached = new Cached({ read: () => Promise.resolve(++reads), maxAgeMs: 5_000, clock });
    expect(await cached.get()).toBe(1);
    clock.advance(4_999);
    expect(await cached.get()).toBe(1);
    clock.advance(1);
    expect(await cached.get()).toBe(2);
  });

  it('is read once for all who ask at the same time', async () => {
    let reads = 0;
    const reading = deferred<string>();
    const read = () => {
      reads++;
      return reading.promise;
    };
    const cached = new Cached({ read, maxAgeMs: 5_000, clock: new FakeClock() });
    const answers = [cached.get(), cached.get(), cached.get()];
    reading.resolve('x');
    expect(await Promise.all(answers)).toEqual(['x', 'x', 'x']);
    expect(reads).toBe(1);
  });

  it('does not keep a failure', async () => {
    let reads = 0;
    const read = () => (++reads === 1 ? Promise.reject(new Error('away')) : Promise.resolve(reads));
    const cached = new Cached({ read, maxAgeMs: 5_000, clock: new FakeClock() });
    await expect(cached.get()).rejects.toThrow('away');
    expect(await cached.get()).toBe(2);
  });
});
