// C8: requests for what had been accepted already, by cause; each needs a fault that allows it.
import { aboutDelivery, type AttemptRecord, type Delivery, type Facts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { Request } from './request.ts';
import { type FaultWindow, unclean, windowsOf } from './windows.ts';

/** A success may stay unrecorded for 1 s before nothing new starts (rule R5), and its write takes a moment. */
const UNRECORDED_MS = 3_000;

type Cause = 'answer lost' | 'takeover' | 'late, from an old owner' | 'unexplained';

export function findDuplicates(facts: Facts, findings: Findings): void {
  const windows = windowsOf(facts);
  for (const cause of ['answer lost', 'takeover', 'late, from an old owner', 'unexplained']) findings.figure(cause, 0);
  for (const delivery of facts.deliveries.values()) {
    for (const [index, request] of delivery.requests.entries()) {
      const accepted = delivery.requests.slice(0, index).filter((earlier) => earlier.isAccepted);
      if (accepted.length === 0) continue;
      const cause = causeOf(request, accepted, delivery, windows);
      findings.count(cause);
      if (cause !== 'unexplained') continue;
      const isAfterClean = windows.some(
        ({ fault, from, until }) => fault.isClean && isWithin(accepted[0]!, from, until),
      );
      const message = isAfterClean ? 'sent again, and only clean faults were near' : 'sent again without a fault';
      const { n, epoch, attempt } = request;
      findings.violation(message, { ...aboutDelivery(delivery), n, epoch, attempt, acceptedAs: accepted[0]!.n });
    }
  }
}

function causeOf(request: Request, accepted: Request[], delivery: Delivery, windows: readonly FaultWindow[]): Cause {
  if (accepted.every((one) => wasAnswerLost(one, delivery))) return 'answer lost';
  const unknown = accepted.find((one) => !wasAnswerLost(one, delivery))!;
  // One owner in one epoch has the success in memory: it has no excuse.
  if (request.epoch === unknown.epoch) return 'unexplained';
  const isExcused = unclean(windows).some(({ from, until }) => isWithin(unknown, from, until));
  if (!isExcused) return 'unexplained';
  return request.epoch > unknown.epoch ? 'takeover' : 'late, from an old owner';
}

/** The success happened when its record could be lost through the fault. */
const isWithin = ({ receivedAt, answeredAt }: Request, from: number, until: number) =>
  receivedAt <= until && (answeredAt ?? receivedAt) >= from - UNRECORDED_MS;

/** The sender can't have known of the success, or says that it did not: whether it may say so is for C9 to judge. */
export function wasAnswerLost(request: Request, { attempts }: Delivery): boolean {
  if (request.answer !== 'full') return true;
  return attempts.some((one) => isOf(one, request) && one.outcome === 'unknown');
}

export const isOf = (row: AttemptRecord, { epoch, attempt }: Request): boolean =>
  row.epoch === epoch && row.number === attempt;
