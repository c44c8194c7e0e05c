// Checks that slots are shared fairly, never exceed a limit, and are never lost.
import { seededRandom } from '#clock';
import type { EndpointPolicy } from '#endpoints';
import { Lane } from '#lane';
import { describe, expect, it, test } from 'vitest';
import { EndpointState } from './endpoint-state.ts';
import { Scheduler, type Slot } from './scheduler.ts';

function endpoint(id: string, maxConcurrency: number): EndpointState {
  return new EndpointState(id, { id, maxConcurrency, enabled: true, deleted: false } as EndpointPolicy, true);
}

function lane(name: string, { id }: EndpointState, tenantId = 'tenant', isParked = false): Lane {
  const made = new Lane({ endpointId: id, streamId: name, tenantId, partition: 0 });
  if (isParked) made.block('parked', 'failed', 0);
  return made;
}

function takeAll(scheduler: Scheduler): Slot[] {
  const slots: Slot[] = [];
  for (let slot = scheduler.next(); slot; slot = scheduler.next()) slots.push(slot);
  return slots;
}

const names = (slots: Slot[]) => slots.map((slot) => slot.lane.streamId);

describe('the scheduler', () => {
  it('goes round the endpoints, then round the lanes of each', () => {
    const scheduler = new Scheduler({ maxInFlight: 100, maxInFlightPerTenant: 100 });
    const [first, second] = [endpoint('1', 10), endpoint('2', 10)];
    for (const name of ['a', 'b', 'c']) scheduler.add(first, lane(name, first));
    for (const name of ['x', 'y']) scheduler.add(second, lane(name, second));
    expect(names(takeAll(scheduler))).toEqual(['a', 'x', 'b', 'y', 'c']);
  });

  test.each([
    ['the process', { maxInFlight: 3, maxInFlightPerTenant: 100 }, 10],
    ['a tenant', { maxInFlight: 100, maxInFlightPerTenant: 3 }, 10],
    ['an endpoint', { maxInFlight: 100, maxInFlightPerTenant: 100 }, 3],
  ])('stops at the limit of %s, and goes on with each slot that comes back', (_what, limits, maxConcurrency) => {
    const scheduler = new Scheduler(limits);
    const only = endpoint('1', maxConcurrency);
    for (let index = 0; index < 5; index++) scheduler.add(only, lane(String(index), only));
    const slots = takeAll(scheduler);
    expect(slots).toHaveLength(3);
    scheduler.release(slots[1]!);
    expect(names(takeAll(scheduler))).toEqual(['3']);
    expect(scheduler.inFlight).toBe(3);
  });

  it('lets other tenants pass one that is at its limit', () => {
    const scheduler = new Scheduler({ maxInFlight: 100, maxInFlightPerTenant: 1 });
    const [busy, idle] = [endpoint('1', 10), endpoint('2', 10)];
    for (const name of ['a', 'b']) scheduler.add(busy, lane(name, busy, 'busy'));
    scheduler.add(idle, lane('x', idle, 'idle'));
    const slots = takeAll(scheduler);
    expect(names(slots)).toEqual(['a', 'x']);
    scheduler.release(slots[0]!);
    expect(names(takeAll(scheduler))).toEqual(['b']);
  });

  it('leaves half of an endpoint’s slots to lanes that do not retry', () => {
    const scheduler = new Scheduler({ maxInFlight: 100, maxInFlightPerTenant: 100 });
    const only = endpoint('1', 4);
    for (let index = 0; index < 10; index++) scheduler.add(only, lane(`retry ${index}`, only, 'tenant', true));
    expect(takeAll(scheduler)).toHaveLength(2);
    for (let index = 0; index < 10; index++) scheduler.add(only, lane(`fresh ${index}`, only));
    expect(names(takeAll(scheduler))).toEqual(['fresh 0', 'fresh 1']);
  });

  it('lets retries and fresh lanes take turns', () => {
    const scheduler = new Scheduler({ maxInFlight: 1, maxInFlightPerTenant: 1 });
    const only = endpoint('1', 4);
    for (let index = 0; index < 3; index++) {
      scheduler.add(only, lane('retry', only, 'tenant', true));
      scheduler.add(only, lane('fresh', only));
    }
    const order: string[] = [];
    for (let slot = scheduler.next(); slot; slot = scheduler.next()) {
      order.push(slot.lane.streamId);
      scheduler.release(slot);
    }
    expect(order).toEqual(['fresh', 'retry', 'fresh', 'retry', 'fresh', 'retry']);
  });

  it('keeps every limit, starves no lane and loses no slot, whatever the order of events', () => {
    for (let seed = 1; seed <= 100; seed++) playAtRandom(seed);
  });
});

function playAtRandom(seed: number): void {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const limits = { maxInFlight: 1 + below(12), maxInFlightPerTenant: 1 + below(6) };
  const scheduler = new Scheduler(limits);
  const endpoints = Array.from({ length: 5 }, (_, index) => endpoint(`${index}`, 1 + below(5)));
  const slots: Slot[] = [];
  let waiting = 0;
  const check = () => {
    const perTenant = Map.groupBy(slots, (slot) => slot.lane.tenantId);
    expect(slots.length).toBeLessThanOrEqual(limits.maxInFlight);
    for (const held of perTenant.values()) expect(held.length).toBeLessThanOrEqual(limits.maxInFlightPerTenant);
    for (const one of endpoints) {
      const held = slots.filter((slot) => slot.endpoint === one);
      expect(held.length).toBe(one.inFlight);
      expect(held.length).toBeLessThanOrEqual(one.maxConcurrency);
      expect(held.filter((slot) => slot.isRetry).length).toBeLessThanOrEqual(one.maxRetriesInFlight);
    }
  };
  for (let step = 0; step < 200; step++) {
    if (random() < 0.6) {
      const index = below(endpoints.length);
      scheduler.add(endpoints[index]!, lane(`${step}`, endpoints[index]!, `tenant ${index % 2}`, random() < 0.4));
      waiting++;
    }
    if (random() < 0.5) slots.push(...takeAll(scheduler));
    check();
    if (random() < 0.5 && slots.length > 0) {
      scheduler.release(slots.splice(below(slots.length), 1)[0]!);
      waiting--;
    }
  }
  // With slots coming back, everything gets its turn.
  for (slots.push(...takeAll(scheduler)); slots.length > 0; slots.push(...takeAll(scheduler))) {
    check();
    scheduler.release(slots.shift()!);
    waiting--;
  }
  expect({ waiting, inFlight: scheduler.inFlight }).toEqual({ waiting: 0, inFlight: 0 });
}
