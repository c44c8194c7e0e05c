// The outbox of the simulation passes the suite that PostgreSQL passes: so what a simulation shows holds for both.
import { Dice, FakeClock, seededRandom } from '#clock';
import { ENDPOINTS, SHARDS } from '../testing.ts';
import { MemoryOutbox } from './memory-outbox.ts';
import { openMemorySession } from './memory-session.ts';
import { describeWindows } from './windows-conformance.ts';

describeWindows(
  'in memory',
  async () => {
    const outbox = new MemoryOutbox({ clock: new FakeClock(), dice: new Dice(seededRandom(1)), shards: SHARDS });
    let events = 0;
    return {
      sessions: { open: async () => openMemorySession(outbox) },
      begin: async () => {
        const transaction = outbox.begin();
        return {
          drawXid: async () => void transaction.drawXid(),
          publish: async (streamId, payload = '{}') => {
            const eventId = `event-${++events}`;
            await transaction.publish({ eventId, streamId, type: 'SOMETHING_HAPPENED', endpoints: ENDPOINTS, payload });
            return eventId;
          },
          savepoint: async () => transaction.savepoint(),
          rollBackToSavepoint: async () => transaction.rollBackToSavepoint(),
          commit: async () => void transaction.commit(),
          rollback: async () => transaction.rollback(),
        };
      },
      expireLeases: async () => outbox.expireLeases(),
      close: async () => undefined,
    };
  },
  { histories: 300 },
);
