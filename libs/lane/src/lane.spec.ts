// Checks what a lane decides: about a record that arrives, about what may be sent, and what it forgets when its head passes.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type Delivery, Lane, laneKey } from './index.ts';

const id = { endpointId: 'endpoint', streamId: 'stream', tenantId: 'tenant', partition: 3 };

const delivery = (sequence: number | null): Delivery =>
  ({ sequence, event: { eventId: `event-${sequence}` }, positions: [] }) as unknown as Delivery;

function lane(delivered: number, queued = 0, fields: Partial<Lane> = {}): Lane {
  const queue = Array.from({ length: queued }, (_, index) => delivery(delivered + 1 + index));
  return Object.assign(new Lane(id), { delivered, queue }, fields);
}

describe('a record that arrives for a lane', () => {
  test.each<[string, Lane, number, unknown]>([
    ['is queued when it is next in turn', lane(4), 5, { kind: 'queue' }],
    ['is queued behind what waits', lane(4, 2), 7, { kind: 'queue' }],
    ['is past at the last delivered sequence', lane(4), 4, { kind: 'past' }],
    ['is past below it', lane(4, 2), 1, { kind: 'past' }],
    ['is past on a parked lane too', lane(4, 0, { mode: 'parked' }), 4, { kind: 'past' }],
    ['is parked behind a gap', lane(4, 2), 8, { kind: 'park', reason: 'gap' }],
    ['is parked when the queue is full', lane(4, 3), 8, { kind: 'park', reason: 'spilled' }],
    [
      'is parked on a parked lane, for no new reason',
      lane(4, 0, { mode: 'parked' }),
      5,
      { kind: 'park', reason: null },
    ],
    ['is parked on a halted lane', lane(4, 0, { mode: 'halted' }), 9, { kind: 'park', reason: null }],
  ])('%s', (_what, subject, sequence, reception) => {
    expect(subject.receive(sequence, 3)).toEqual(reception);
  });

  it('is known when it waits in memory already: it shares the first copy’s fate', () => {
    const subject = lane(4, 3);
    expect(subject.receive(6, 3)).toEqual({ kind: 'known', delivery: subject.queue[1] });
  });
});

describe('what may be sent', () => {
  test.each<[string, Lane, number | null | undefined]>([
    ['the head, when it is the next sequence', lane(4, 2), 5],
    ['the head of a page of a parked lane', lane(4, 2, { mode: 'parked' }), 5],
    ['nothing of an empty lane', lane(4), undefined],
    ['nothing while something is in flight', lane(4, 2, { inFlight: delivery(5) }), undefined],
    ['nothing of a halted lane', lane(4, 2, { mode: 'halted' }), undefined],
    ['nothing when the head is not the next sequence', lane(4, 0, { queue: [delivery(6)] }), undefined],
    ['an unordered delivery, whatever the lane has delivered', lane(7, 0, { queue: [delivery(null)] }), null],
  ])('%s', (_what, subject, sequence) => {
    expect(subject.sendable()?.sequence).toBe(sequence);
  });
});

describe('a lane', () => {
  it('is blocked since its first reason, until it is open again', () => {
    const subject = lane(0, 1);
    subject.block('parked', 'failed', 100);
    subject.nextAttemptAt = 500;
    subject.block('halted', 'exhausted', 200);
    expect(subject).toMatchObject({ mode: 'halted', reason: 'exhausted', blockedSince: 100, nextAttemptAt: null });
    subject.reopen();
    expect(subject).toMatchObject({ mode: 'open', reason: null, blockedSince: null, attempts: 0 });
  });

  it('forgets what was said of a head that passed, and keeps how it is blocked', () => {
    const subject = lane(4, 2, { attempts: 3, headEventId: 'event-5', lastErrorClass: 'timeout', mode: 'parked' });
    subject.passHead();
    expect(subject).toMatchObject({
      delivered: 5,
      attempts: 0,
      headEventId: null,
      lastErrorClass: null,
      mode: 'parked',
    });
    expect(subject.queue.map(({ sequence }) => sequence)).toEqual([6]);
  });

  it('has no head to pass when nothing is in memory', () => {
    expect(() => lane(4).passHead()).toThrow(/no head/);
  });

  it('shows itself as it stands at that moment', () => {
    const subject = lane(4, 1);
    const snapshot = subject.snapshot();
    subject.passHead();
    expect(snapshot).toMatchObject({ ...id, delivered: 4, mode: 'open' });
    expect(Object.keys(snapshot)).not.toContain('queue');
  });

  it('is keyed by its stream, an unordered delivery by its event', () => {
    expect(new Lane(id).key).toBe(laneKey('endpoint', 'stream'));
    expect(new Lane({ ...id, unorderedEventId: 'event' }).key).toBe(laneKey('endpoint', 'event'));
  });

  test.each<[string, Partial<Lane>]>([
    ['a change is not committed', { unsaved: 1 }],
    ['it is in a queue', { place: 'ready' }],
    ['a request is in flight', { inFlight: delivery(5) }],
    ['something waits in memory', { queue: [delivery(5)] }],
    ['a park write is pending', { parksPending: 1 }],
    ['a look-up will come back to it', { claims: 1 }],
  ])('must stay in memory while %s', (_what, fields) => {
    expect(lane(4).isClean).toBe(true);
    expect(lane(4, 0, fields).isClean).toBe(false);
  });

  it('accepts each sequence once and in order, whatever is read again', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 60 }), (arrivals) => {
        const subject = lane(0);
        const accepted: number[] = [];
        for (const sequence of arrivals) {
          const { kind } = subject.receive(sequence, 4);
          if (kind === 'queue') {
            subject.queue.push(delivery(sequence));
            accepted.push(sequence);
          } else if (subject.queue.length > 2) subject.passHead();
        }
        expect(accepted).toEqual(accepted.map((_, index) => index + 1));
      }),
    );
  });
});
