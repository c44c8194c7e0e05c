// The in-memory delivery store passes the suite that PostgreSQL passes: so what a simulation shows holds for both.
import { FakeClock } from '#clock';
import { uuid } from './scenario.ts';
import { createMemoryStore, MemoryDatabase } from './memory-store.ts';
import { CONFORMANCE_PARTITIONS, describeDeliveryStore } from './store-conformance.ts';

describeDeliveryStore('in memory', async () => {
  const clock = new FakeClock();
  const database = new MemoryDatabase(clock, CONFORMANCE_PARTITIONS);
  return {
    store: (holder) => createMemoryStore(database, holder, clock),
    insertCommand: async (command) => {
      const id = uuid('d', database.commands.length);
      clock.advance(1);
      database.commands.push({ ...command, id, reason: '', requestedBy: '', requestedAt: clock.now(), result: null });
      return id;
    },
    countAttempts: async (eventId) =>
      [...database.attempts.values()].filter(({ event }) => event.eventId === eventId).length,
    close: async () => undefined,
  };
});
