// A domain service's transaction in a simulated run: it publishes step by step, and ends as planned unless the server ends it first.
import type { Clock } from '#clock';
import { ConnectionLost, type MemoryOutbox, type StoredRow } from './memory-outbox.ts';
import type { TransactionPlan } from './scenario.ts';

export async function runTransaction(
  plan: TransactionPlan,
  outbox: MemoryOutbox,
  clock: Clock,
  onCommit: (rows: readonly StoredRow[]) => void,
): Promise<void> {
  const after = (ms: number) => new Promise<void>((resolve) => clock.schedule(ms, resolve));
  const transaction = outbox.begin();
  try {
    if (plan.drawsXidFirst) {
      transaction.drawXid();
      await after(plan.stepMs);
    }
    for (const event of plan.events) {
      await transaction.publish(event);
      await after(plan.stepMs);
    }
    await after(plan.holdMs);
    if (plan.end === 'commit') onCommit(transaction.commit());
    else transaction.rollback();
  } catch (error) {
    // The server died: the service learns that nothing was committed.
    if (!(error instanceof ConnectionLost)) throw error;
  }
}
