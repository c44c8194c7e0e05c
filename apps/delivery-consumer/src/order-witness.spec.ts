// The witness at the send edge, fed with what lanes must never do, and with all that they may.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Delivery } from '#lane';
import { OrderWitness } from './order-witness.ts';

let violations: string[];
let witness: OrderWitness;

beforeEach(() => {
  violations = [];
  witness = new OrderWitness(({ streamId, sequence, kind }) => violations.push(`${streamId} ${sequence} ${kind}`));
});

const delivery = (sequence: number | null, streamId = 's') =>
  ({ endpointId: 'e', sequence, event: { streamId } }) as Delivery;

function send(sequence: number | null, options: { isSuccess?: boolean; epoch?: number; stream?: string } = {}): void {
  const { isSuccess = true, epoch = 1, stream } = options;
  const one = delivery(sequence, stream);
  witness.starts(one, epoch);
  witness.ended(one, isSuccess);
}

const lane = { endpointId: 'e', streamId: 's' };

describe('what is right', () => {
  it('a lane that begins anywhere, repeats what failed, and goes on one by one', () => {
    send(7, { isSuccess: false });
    send(7, { isSuccess: false });
    send(7);
    send(8);
    send(8);
    send(9);
    expect(violations).toEqual([]);
  });

  it('going on after what was skipped or expired, several in a row too', () => {
    send(1, { isSuccess: false });
    witness.passedOver(lane, 1);
    witness.passedOver(lane, 2);
    send(3);
    expect(violations).toEqual([]);
  });

  it('another sequence under a new epoch: somebody else may have gone on meanwhile', () => {
    send(1);
    send(9, { epoch: 3 });
    send(10, { epoch: 3 });
    expect(violations).toEqual([]);
  });

  it('requests of an earlier epoch that end after its successor has begun', () => {
    const cut = delivery(1);
    witness.starts(cut, 1);
    send(1, { epoch: 2, isSuccess: false });
    witness.ended(cut, false);
    send(1, { epoch: 2 });
    send(2, { epoch: 2 });
    expect(violations).toEqual([]);
  });

  it('unordered deliveries, in any number at once', () => {
    witness.starts(delivery(null), 1);
    witness.starts(delivery(null), 1);
    expect(violations).toEqual([]);
  });

  it('the end of a request that was never made', () => {
    witness.ended(delivery(1), true);
    send(1);
    expect(violations).toEqual([]);
  });
});

describe('what is a violation', () => {
  it('a request whose predecessor failed', () => {
    send(1, { isSuccess: false });
    send(2);
    expect(violations).toEqual(['s 2 predecessor_not_done']);
    send(3);
    expect(violations).toHaveLength(1);
  });

  it('a request that leaves one out', () => {
    send(1);
    send(3);
    expect(violations).toEqual(['s 3 predecessor_not_done']);
  });

  it('a skip of something else does not excuse it', () => {
    send(1, { isSuccess: false });
    witness.passedOver(lane, 5);
    send(2);
    expect(violations).toEqual(['s 2 predecessor_not_done']);
  });

  it('a request while another of the lane is in flight, be it the same event', () => {
    send(1);
    witness.starts(delivery(2), 1);
    witness.starts(delivery(2), 1);
    expect(violations).toEqual(['s 2 another_in_flight']);
    witness.starts(delivery(1, 'other'), 1);
    expect(violations).toHaveLength(1);
  });

  it('a request for what the lane has left behind', () => {
    send(1);
    send(2);
    send(1);
    expect(violations).toEqual(['s 1 went_back']);
  });
});

describe('its memory', () => {
  it('keeps a bounded number of lanes, and those with a request in flight before others', () => {
    witness = new OrderWitness(({ streamId }) => violations.push(streamId), 4);
    witness.starts(delivery(1, 'busy'), 1);
    send(1, { stream: 'idle' });
    for (let n = 0; n < 10; n++) send(1, { stream: `other-${n}` });
    witness.starts(delivery(2, 'busy'), 1);
    expect(violations).toEqual(['busy', 'busy']);
    // Forgotten, so it may begin anywhere.
    send(9, { stream: 'idle' });
    expect(violations).toHaveLength(2);
  });

  it('keeps a lane that is used now and then', () => {
    witness = new OrderWitness(({ streamId }) => violations.push(streamId), 4);
    for (let n = 1; n < 10; n++) {
      send(n);
      send(1, { stream: `other-${n}` });
    }
    send(99);
    expect(violations).toEqual(['s']);
  });
});
