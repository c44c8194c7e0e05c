// What every form of the delivery store must do: the one in memory that simulations run on, and PostgreSQL.
import { randomUUID } from 'node:crypto';
import type { AttemptRow, Batch, Finished, Owned, Waiting } from '#deliveries';
import type { Delivery, Lane, LaneState } from '#lane';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeliveryStore } from '../ports.ts';

export const CONFORMANCE_PARTITIONS = 200;

/** One database for all cases: each works on a partition, an endpoint and a stream of its own. */
export interface StoreUnderTest {
  store(holder: string): DeliveryStore;
  insertCommand(command: {
    endpointId: string;
    streamId: string;
    partition: number;
    sequence: number;
    kind: 'retry' | 'skip';
  }): Promise<string>;
  countAttempts(eventId: string): Promise<number>;
  close(): Promise<void>;
}

const LEASE_MS = 60_000;
const T0 = Date.UTC(2026, 0, 2, 3, 4, 5);

export function describeDeliveryStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the delivery store ${name}`, () => {
    let tested: StoreUnderTest;
    let store: DeliveryStore;
    let partition = -1;
    let endpointId: string;
    let streamId: string;
    let owned: Owned[];

    beforeAll(async () => {
      tested = await open();
    });
    afterAll(() => tested.close());
    beforeEach(async () => {
      partition++;
      endpointId = randomUUID();
      streamId = `stream-${partition}`;
      store = tested.store('me');
      owned = await acquire(store);
    });

    const acquire = async (by: DeliveryStore, leaseMs = LEASE_MS, of = partition): Promise<Owned[]> =>
      (await by.acquire(leaseMs, [of])).map(({ partition: number, epoch }) => ({ partition: number, epoch }));

    const commit = (batch: Partial<Batch>, options: { by?: DeliveryStore; owned?: Owned[]; renewMs?: number } = {}) =>
      (options.by ?? store).commit(
        options.owned ?? owned,
        options.renewMs ?? null,
        { inserted: [], updated: [], finished: [], attempts: [], lanes: [], commands: [], ...batch },
        () => undefined,
      );

    const delivery = (
      sequence: number | null,
      fields: Partial<Delivery> = {},
      eventId: string = randomUUID(),
    ): Delivery => ({
      event: {
        eventId,
        type: 'UNLISTED_TYPE',
        tenantId: 'tenant',
        streamId,
        occurredAt: '2026-01-02T03:04:05.123456Z',
        enqueuedAt: '2026-01-02T03:04:06.654321Z',
        targets: [{ endpointId, sequence }],
        payload: Buffer.from('{ "big": 12345678901234567890, "a":  1 }'),
      },
      endpointId,
      sequence,
      attempts: 0,
      attemptsEpoch: 0,
      firstAttemptAt: null,
      last: null,
      stored: false,
      admittedAt: 0,
      positions: [],
      ...fields,
    });

    const waiting = (one: Delivery, fields: Partial<Waiting> = {}): Waiting => {
      one.stored = true;
      return { partition, delivery: one, state: 'parked', nextAttemptAt: null, ...fields };
    };

    const finished = (one: Delivery, fields: Partial<Finished> = {}): Finished => ({
      partition,
      delivery: one,
      state: 'delivered',
      reason: null,
      finishedAt: T0,
      ...fields,
    });

    const attempt = ({ event }: Delivery, fields: Partial<AttemptRow> = {}): AttemptRow => ({
      partition,
      event,
      endpointId,
      epoch: 1,
      number: 1,
      outcome: 'success',
      errorClass: null,
      statusCode: 200,
      startedAt: T0,
      durationMs: 3.4,
      counted: true,
      earlierAttemptsPossible: false,
      requestHeaders: '{}',
      responseHeaders: null,
      responseBody: null,
      ...fields,
    });

    const laneState = (fields: Partial<LaneState> = {}): LaneState => ({
      endpointId,
      streamId,
      tenantId: 'tenant',
      partition,
      delivered: 0,
      mode: 'open',
      attempts: 0,
      nextAttemptAt: null,
      headEventId: null,
      blockedSince: null,
      lastErrorClass: null,
      reason: null,
      ...fields,
    });

    const parked = (fields: Partial<LaneState> = {}) =>
      laneState({ mode: 'parked', reason: 'failed', nextAttemptAt: T0, blockedSince: T0, ...fields });

    const page = async (after = 0, limit = 100) =>
      (await store.loadPages([{ endpointId, streamId, after }], limit))[0]!;
    const sequences = (deliveries: Delivery[]) => deliveries.map(({ sequence }) => sequence);
    const lane = async (): Promise<Lane | undefined> => (await store.findLanes([{ endpointId, streamId }]))[0];

    describe('owning a partition', () => {
      it('begins with epoch 1, clean', async () => {
        partition++;
        expect(await store.acquire(LEASE_MS, [partition])).toEqual([
          { partition, epoch: 1, isClean: true, uncleanEpoch: 0, uncleanAt: null },
        ]);
      });

      it('is for one holder until the lease ends', async () => {
        expect(await tested.store('other').acquire(LEASE_MS, [partition])).toEqual([]);
      });

      it('passes on with a new epoch when the lease has ended: not clean', async () => {
        owned = await acquire(store, -1_000);
        const epoch = owned[0]!.epoch + 1;
        expect(await tested.store('other').acquire(LEASE_MS, [partition])).toEqual([
          { partition, epoch, isClean: false, uncleanEpoch: epoch, uncleanAt: expect.any(Number) as number },
        ]);
      });

      it('begins a new epoch for the holder itself', async () => {
        expect(await acquire(store)).toEqual([{ partition, epoch: owned[0]!.epoch + 1 }]);
      });

      it('passes on at once, clean, after a release; a release of an epoch that is over does nothing', async () => {
        await store.release([{ partition, epoch: owned[0]!.epoch - 1 }]);
        expect(await acquire(tested.store('other'))).toEqual([]);
        await store.release(owned);
        expect(await tested.store('other').acquire(LEASE_MS, [partition])).toMatchObject([{ isClean: true }]);
      });

      it('does not forget a take-over that was not clean when a clean one follows', async () => {
        owned = await acquire(store, -1_000);
        const epoch = owned[0]!.epoch + 1;
        const unclean = await tested.store('other').acquire(LEASE_MS, [partition]);
        await tested.store('other').release(unclean);
        expect(await store.acquire(LEASE_MS, [partition])).toMatchObject([
          { epoch: epoch + 1, isClean: true, uncleanEpoch: epoch, uncleanAt: unclean[0]!.uncleanAt },
        ]);
      });

      it('is renewed by a commit that asks for it', async () => {
        owned = await acquire(store, -1_000);
        expect((await commit({}, { renewMs: LEASE_MS })).owned).toEqual(new Set([partition]));
        expect(await acquire(tested.store('other'))).toEqual([]);
      });
    });

    describe('the fence', () => {
      it('tells the database’s time', async () => {
        const before = await store.databaseNow();
        const { databaseNow } = await commit({});
        expect(databaseNow).toBeGreaterThanOrEqual(before);
        expect(databaseNow - before).toBeLessThan(10_000);
      });

      it('writes nothing for an owner whose epoch is over', async () => {
        const old = owned;
        await acquire(store);
        const result = await commit(
          { inserted: [waiting(delivery(1))], lanes: [laneState({ delivered: 9 })] },
          { owned: old },
        );
        expect([result.owned.size, await page(), await lane()]).toEqual([0, [], undefined]);
      });

      it('writes nothing for another holder', async () => {
        const other = tested.store('other');
        expect((await commit({ inserted: [waiting(delivery(1))] }, { by: other })).owned.size).toBe(0);
        expect(await page()).toEqual([]);
      });

      it('writes what is still ours when a part of it is not', async () => {
        const [mine, gone] = [partition, ++partition];
        await store.acquire(LEASE_MS, [gone]);
        const [kept, lost] = [waiting(delivery(1), { partition: mine }), waiting(delivery(2), { partition: gone })];
        const result = await commit({ inserted: [kept, lost] }, { owned: [...owned, { partition: gone, epoch: 99 }] });
        expect(result).toMatchObject({ owned: new Set([mine]), refused: [] });
        expect(sequences(await page())).toEqual([1]);
      });
    });

    describe('deliveries that wait', () => {
      it('come back as they were, but for the records that waited for them', async () => {
        const one = delivery(1, {
          attempts: 3,
          attemptsEpoch: 2,
          firstAttemptAt: T0,
          last: { statusCode: 503, errorClass: 'http_5xx', startedAt: T0 + 1_000, durationMs: 12, isUnknown: false },
        });
        const { event } = one;
        Object.assign(event, { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, payloadFault: '/a: wrong' });
        await commit({ inserted: [waiting(one)] });
        const [read] = await page();
        const { admittedAt: _admittedAt, ...rest } = one;
        expect(read).toMatchObject({ ...rest, stored: true, positions: [] });
        expect(read!.event.payload.equals(event.payload)).toBe(true);
      });

      it('are read in sequence order, above the one asked for, at most a page, for each lane that asks', async () => {
        const other = `${streamId}-other`;
        const elsewhere = delivery(1);
        elsewhere.event.streamId = other;
        await commit({
          inserted: [...[4, 2, 3, 5].map((sequence) => waiting(delivery(sequence))), waiting(elsewhere)],
        });
        const pages = await store.loadPages(
          [
            { endpointId, streamId, after: 2 },
            { endpointId, streamId: 'nobody', after: 0 },
            { endpointId, streamId: other, after: 0 },
          ],
          2,
        );
        expect(pages.map(sequences)).toEqual([[3, 4], [], [1]]);
      });

      it('are refused when the event is there already, or another under the same sequence', async () => {
        const first = delivery(1);
        await commit({ inserted: [waiting(first)] });
        const again = waiting(delivery(1, {}, first.event.eventId));
        const conflicting = waiting(delivery(1));
        const fresh = waiting(delivery(2));
        const { refused } = await commit({ inserted: [again, conflicting, fresh] });
        expect(refused).toEqual([again, conflicting]);
        expect((await page()).map(({ event }) => event.eventId)).toEqual([
          first.event.eventId,
          fresh.delivery.event.eventId,
        ]);
      });

      it('are refused within one batch too', async () => {
        const [first, second] = [waiting(delivery(1)), waiting(delivery(1))];
        expect((await commit({ inserted: [first, second] })).refused).toEqual([second]);
      });

      it('take over what is said of them later', async () => {
        const one = delivery(1);
        await commit({ inserted: [waiting(one)] });
        one.attempts = 2;
        one.last = { statusCode: null, errorClass: 'timeout', startedAt: T0, durationMs: 30_000, isUnknown: true };
        await commit({ updated: [waiting(one)] });
        // Whether the answer of an earlier owner was lost is no longer known.
        expect(await page()).toMatchObject([{ attempts: 2, last: { errorClass: 'timeout', isUnknown: false } }]);
      });

      it('are not made by an update', async () => {
        await commit({ updated: [waiting(delivery(1))] });
        expect(await page()).toEqual([]);
      });

      it('leave when they are terminal', async () => {
        const one = delivery(1);
        await commit({ inserted: [waiting(one)] });
        await commit({ finished: [finished(one)] });
        expect(await page()).toEqual([]);
      });

      it('may come and leave in one batch', async () => {
        const one = delivery(1);
        await commit({ inserted: [waiting(one)], updated: [waiting(one)], finished: [finished(one)] });
        expect(await page()).toEqual([]);
      });
    });

    describe('lanes', () => {
      it('that have no row are not found', async () => {
        expect(await lane()).toBeUndefined();
      });

      it('come back as they were saved', async () => {
        const state = laneState({
          delivered: 7,
          mode: 'parked',
          attempts: 2,
          nextAttemptAt: T0 + 1,
          headEventId: randomUUID(),
          blockedSince: T0,
          lastErrorClass: 'timeout',
          reason: 'failed',
        });
        await commit({ lanes: [state] });
        expect((await lane())!.snapshot()).toEqual(state);
      });

      it('never go back, and otherwise stand as they were said to stand last', async () => {
        await commit({ lanes: [parked({ delivered: 7 })] });
        await commit({ lanes: [laneState({ delivered: 5 })] });
        expect(await lane()).toMatchObject({ delivered: 7, mode: 'open', nextAttemptAt: null });
      });

      it('that are due are found, the longest due first', async () => {
        const at = (name: string, fields: Partial<LaneState>) => parked({ streamId: `${streamId}-${name}`, ...fields });
        const closed = randomUUID();
        await commit({
          lanes: [
            at('second', { nextAttemptAt: T0 + 2_000 }),
            at('first', { nextAttemptAt: T0 + 1_000 }),
            at('later', { nextAttemptAt: T0 + 9_000 }),
            at('closed', { endpointId: closed }),
            at('halted', { mode: 'halted', nextAttemptAt: null }),
            at('open', { mode: 'open', nextAttemptAt: null }),
          ],
        });
        const query = { partitions: [partition], closedEndpoints: [closed], until: T0 + 5_000, limit: 10 };
        const names = (lanes: Lane[]) => lanes.map((one) => one.streamId.slice(streamId.length + 1));
        expect(names(await store.findDueLanes(query))).toEqual(['first', 'second']);
        expect(names(await store.findDueLanes({ ...query, limit: 1 }))).toEqual(['first']);
        expect(await store.findDueLanes({ ...query, partitions: [] })).toEqual([]);
        const probe = await store.findProbeLane([partition], endpointId);
        expect(probe && names([probe])).toEqual(['first']);
        expect(await store.findProbeLane([partition], randomUUID())).toBeUndefined();
        expect(names(await store.findHaltedLanes([partition], endpointId, 10))).toEqual(['halted']);
        expect(await store.findHaltedLanes([partition], endpointId, 0)).toEqual([]);
        expect(await store.findHaltedEndpoints([partition])).toEqual([endpointId]);
      });
    });

    describe('unordered deliveries', () => {
      it('are found by their due time', async () => {
        const [due, later, ordered] = [delivery(null), delivery(null), delivery(1)];
        await commit({
          inserted: [
            waiting(later, { nextAttemptAt: T0 + 9_000 }),
            waiting(due, { nextAttemptAt: T0 + 1_000 }),
            waiting(ordered, { nextAttemptAt: T0 }),
          ],
        });
        const query = { partitions: [partition], closedEndpoints: [], until: T0 + 5_000, limit: 10 };
        expect(await store.findDueUnordered(query)).toMatchObject([
          {
            partition,
            nextAttemptAt: T0 + 1_000,
            delivery: { event: { eventId: due.event.eventId }, sequence: null, stored: true },
          },
        ]);
        expect(await store.findDueUnordered({ ...query, closedEndpoints: [endpointId] })).toEqual([]);
      });

      it('are known as waiting or terminal by endpoint and event', async () => {
        const [still, done, unknown] = [delivery(null), delivery(null), delivery(null)];
        await commit({ inserted: [waiting(still, { nextAttemptAt: T0 })], finished: [finished(done)] });
        const ids = [still, done, unknown].map(({ event: { eventId, enqueuedAt } }) => ({
          endpointId,
          eventId,
          enqueuedAt,
        }));
        const known = await store.findUnordered(ids);
        expect(known.waiting.map((one) => one.delivery.event.eventId)).toEqual([still.event.eventId]);
        expect(known.terminal).toEqual(new Set([`${endpointId} ${done.event.eventId}`]));
      });

      it('tell how many of their attempts count', async () => {
        const due = delivery(null, { attempts: 3 });
        const attempts = [1, 2, 3].map((number) => attempt(due, { number, counted: number !== 2 }));
        await commit({ inserted: [waiting(due, { nextAttemptAt: T0 })], attempts });
        const query = { partitions: [partition], closedEndpoints: [], until: T0, limit: 10 };
        expect((await store.findDueUnordered(query)).map((one) => one.countedAttempts)).toEqual([2]);
        const { eventId, enqueuedAt } = due.event;
        const { waiting: found } = await store.findUnordered([{ endpointId, eventId, enqueuedAt }]);
        expect(found.map((one) => one.countedAttempts)).toEqual([2]);
      });

      it('may share a stream without a sequence', async () => {
        const { refused } = await commit({ inserted: [waiting(delivery(null)), waiting(delivery(null))] });
        expect(refused).toEqual([]);
      });
    });

    it('finds claims of a sequence that another event has, waiting or terminal', async () => {
      const [waits, done] = [delivery(1), delivery(2)];
      await commit({ inserted: [waiting(waits)], finished: [finished(done)] });
      const { enqueuedAt } = waits.event;
      const claim = (sequence: number, eventId: string) => ({ endpointId, streamId, sequence, eventId, enqueuedAt });
      const conflicts = [claim(1, randomUUID()), claim(2, randomUUID())];
      const repeats = [claim(1, waits.event.eventId), claim(2, done.event.eventId), claim(3, randomUUID())];
      expect(await store.judgeClaims([...repeats, ...conflicts])).toEqual(
        conflicts.map((one) => ({ claim: one, verdict: 'conflict' })),
      );
    });

    it('knows a record that comes after an operator skipped its sequence without one', async () => {
      const id = await tested.insertCommand({ endpointId, streamId, partition, sequence: 1, kind: 'skip' });
      const late = delivery(1);
      const { eventId, enqueuedAt } = late.event;
      const claim = { endpointId, streamId, sequence: 1, eventId, enqueuedAt };
      expect(await store.judgeClaims([claim])).toEqual([]);
      await commit({ commands: [{ partition, id, result: 'applied' }] });
      expect(await store.judgeClaims([claim])).toEqual([{ claim, verdict: 'skipped', reason: expect.any(String) }]);
      await commit({ finished: [finished(late, { state: 'skipped' })] });
      expect(await store.judgeClaims([claim])).toEqual([]);
    });

    it('offers operator commands, the oldest first, until they are closed', async () => {
      const ids: string[] = [];
      for (const kind of ['retry', 'skip'] as const)
        ids.push(await tested.insertCommand({ endpointId, streamId, partition, sequence: 4, kind }));
      const found = await store.findOpenCommands([partition], 10);
      expect(found).toMatchObject([
        { id: ids[0], endpointId, streamId, partition, kind: 'retry', sequence: 4 },
        { id: ids[1], kind: 'skip' },
      ]);
      expect(await store.findOpenCommands([partition], 1)).toHaveLength(1);
      await commit({ commands: [{ partition, id: ids[0]!, result: 'applied' }] });
      expect((await store.findOpenCommands([partition], 10)).map(({ id }) => id)).toEqual([ids[1]]);
    });

    it('ends in the same state when a batch is written again after an unknown outcome', async () => {
      const [stays, leaves, never] = [delivery(3), delivery(1), delivery(2)];
      const batch: Partial<Batch> = {
        inserted: [waiting(stays), waiting(leaves)],
        finished: [finished(leaves), finished(never)],
        attempts: [attempt(leaves)],
        lanes: [parked({ delivered: 2 })],
      };
      const state = async () => ({
        page: (await page()).map(({ event }) => event.eventId),
        lane: (await lane())?.snapshot(),
        attempts: await tested.countAttempts(leaves.event.eventId),
      });
      await commit(batch);
      const once = await state();
      await commit(batch);
      expect(await state()).toEqual(once);
      expect(once).toMatchObject({ page: [stays.event.eventId], lane: { delivered: 2 }, attempts: 1 });
    });
  });
}
