// C7: every request is signed with every key that was valid, and anew for each attempt.
import { aboutDelivery, DATABASE_CLOCK_MS, type Delivery, type Facts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { Request } from './request.ts';

/** Standard Webhooks writes whole seconds. */
const WHOLE_SECONDS_MS = 1_000;

export function findBadSignatures(facts: Facts, findings: Findings): void {
  findings.figure('requests', facts.requests.length);
  for (const delivery of facts.deliveries.values()) {
    for (const [index, request] of delivery.requests.entries()) {
      for (const fault of new Set(request.signatureFaults))
        findings.violation(fault, { ...aboutDelivery(delivery), n: request.n });
      const earlier = delivery.requests.slice(0, index);
      if (isSignedBefore(request, earlier) || hasOldTimestamp(request, earlier))
        findings.violation('an old signature again: each attempt has a fresh one', about(delivery, request));
    }
  }
}

const about = (delivery: Delivery, { n, attempt, epoch }: Request) => ({
  ...aboutDelivery(delivery),
  n,
  attempt,
  epoch,
});

/** Within one epoch the attempts of a delivery follow each other; another owner's may have been signed before and come late. */
function isSignedBefore({ signedAt, epoch, endpoint }: Request, earlier: readonly Request[]): boolean {
  const grain = endpoint.format === 'standard-webhooks' ? WHOLE_SECONDS_MS : 0;
  return earlier.some((one) => one.epoch === epoch && signedAt + grain + DATABASE_CLOCK_MS < one.receivedAt);
}

/** To the millisecond the same: retries are at least dozens of them apart. */
function hasOldTimestamp({ signedAt, endpoint }: Request, earlier: readonly Request[]): boolean {
  return endpoint.format === 'signed-json' && earlier.some((one) => one.signedAt === signedAt);
}
