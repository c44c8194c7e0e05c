// How often an event was sent again although its receiver had accepted it, against the faults that happened in between.
import { wasAnswerLost } from '../checker/duplicates.ts';
import type { Delivery } from '../checker/facts.ts';
import { loadFacts } from '../checker/load-facts.ts';
import type { Fault } from '../checker/index.ts';

export interface Repeats {
  /** Requests for what had been accepted, with an answer that was written whole, and on record as that. */
  total: number;
  /** By row of the fault matrix and what was done; a repeat counts for each fault since the acceptance. */
  byFault: Record<string, number>;
  /** Events that were repeated more often than there were faults since they were accepted, clean ones left out. */
  unexcused: { eventId: string; path: string; repeats: number; faults: number }[];
}

/** Stricter than the checker, which takes a fault for near enough until its time to recover has passed. */
export async function findRepeats(folder: string): Promise<Repeats> {
  const { deliveries, faults } = await loadFacts(folder);
  const repeats: Repeats = { total: 0, byFault: {}, unexcused: [] };
  for (const delivery of deliveries.values()) judge(delivery, faults, repeats);
  return repeats;
}

function judge(delivery: Delivery, faults: readonly Fault[], repeats: Repeats): void {
  const { eventId, endpoint, requests } = delivery;
  const accepted = requests.filter(({ isAccepted, answer }) => isAccepted && answer === 'full');
  // An answer that came after its deadline is rightly asked for again. Whether a record may call it unknown is for C9 to judge.
  const known = accepted.findIndex((request) => !wasAnswerLost(request, delivery));
  const count = known < 0 ? 0 : accepted.length - 1 - known;
  if (count === 0) return;
  const [first, last] = [accepted[known]!, accepted.at(-1)!];
  const between = faults.filter(
    ({ isClean, beganAt, endedAt }) => !isClean && beganAt <= last.receivedAt && endedAt >= (first.answeredAt ?? 0),
  );
  repeats.total += count;
  for (const { row, detail } of between) {
    const name = `${row} ${detail ?? ''}`;
    repeats.byFault[name] = (repeats.byFault[name] ?? 0) + count;
  }
  if (count > between.length)
    repeats.unexcused.push({ eventId, path: endpoint.path, repeats: count, faults: between.length });
}
