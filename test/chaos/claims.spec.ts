// Who may hold what at once.
import { expect, it } from 'vitest';
import { Claims } from './claims.ts';

it('gives a thing to one holder at a time, in the order of asking', async () => {
  const claims = new Claims();
  const order: string[] = [];
  const first = await claims.take(['database']);
  const noted = async (name: string) => {
    const release = await claims.take(['database']);
    order.push(name);
    return release;
  };
  const [second, third] = [noted('second'), noted('third')];
  expect(order).toEqual([]);
  first();
  (await second)();
  (await third)();
  expect(order).toEqual(['second', 'third']);
});

it('lets those who need different things go on', async () => {
  const claims = new Claims();
  await claims.take(['relay-1']);
  await expect(claims.take(['relay-2'])).resolves.toBeTypeOf('function');
});

it('waits for all of several things', async () => {
  const claims = new Claims();
  const [one, two] = [await claims.take(['a']), await claims.take(['b'])];
  let isTaken = false;
  const both = claims.take(['a', 'b']).then(() => (isTaken = true));
  one();
  await claims.take(['c']);
  expect(isTaken).toBe(false);
  two();
  await both;
});
