// The bounded wait of the test kit.
import { describe, expect, it } from 'vitest';
import { until } from './until.ts';

describe('until', () => {
  it('resolves to the first truthy value', async () => {
    let looks = 0;
    const value = await until(() => (++looks < 3 ? null : { looks }), {
      withinMs: 5_000,
      what: 'three looks',
      everyMs: 1,
    });
    expect(value).toEqual({ looks: 3 });
  });

  it('says what it waited for and what it saw last', async () => {
    const never = until(() => 0, { withinMs: 20, what: 'a rise', everyMs: 1 });
    await expect(never).rejects.toThrow('waited 20 ms for a rise; last seen: 0');
  });

  it('takes a fault for "not yet" and shows the last one', async () => {
    let looks = 0;
    const condition = () => {
      if (++looks < 3) throw new Error(`look ${looks}`);
      return true;
    };
    await expect(until(condition, { withinMs: 5_000, what: 'calm', everyMs: 1 })).resolves.toBe(true);
    const fault = () => Promise.reject(new Error('not there'));
    await expect(until(fault, { withinMs: 10, what: 'it', everyMs: 1 })).rejects.toThrow('Error: not there');
  });

  it('ends in time although a look hangs', async () => {
    const hanging = until(() => new Promise<boolean>(() => {}), { withinMs: 20, what: 'an answer' });
    await expect(hanging).rejects.toThrow('waited 20 ms for an answer; the last look did not end');
  });
});
