// The relay's session on the outbox in memory: what its SQL does (window.ts and shards.ts of #outbox), statement by statement.
import type { OutboxRow, ShardProgress } from '#outbox';
import type { Session } from '../session.ts';
import {
  beginning,
  BOOTSTRAP_XID,
  ConnectionLost,
  type MemoryOutbox,
  type ShardRow,
  Snapshot,
} from './memory-outbox.ts';

const PAGE_BYTES = 4 * 1_048_576;

/** `meanwhile`: what happens between a statement's snapshot and the rest of it. */
export function openMemorySession(
  outbox: MemoryOutbox,
  meanwhile: () => Promise<void> = async () => undefined,
): Session {
  const { generation } = outbox;
  let isOpen = true;
  const requireConnection = () => {
    if (!isOpen || generation !== outbox.generation) throw new ConnectionLost('connection lost');
  };
  return {
    /** Rows by the statement's snapshot; the sequence is read later, and is no part of it. */
    async readPage(shards, limit) {
      requireConnection();
      const snapshot = outbox.snapshot();
      const rows = shards.flatMap((progress) => pageOf(outbox, progress, limit)).toSorted((a, b) => a.id - b.id);
      await meanwhile();
      requireConnection();
      return { snapshot, lastDrawnId: outbox.lastId, rows };
    },

    async storeProgress(holder, leaseMs, shards) {
      requireConnection();
      const ours = shards.filter(({ shard, epoch }) => {
        const row = outbox.shards[shard]!;
        return row.holder === holder && row.epoch === epoch;
      });
      const leaseUntil = outbox.clock.now() + leaseMs;
      for (const progress of ours) Object.assign(outbox.shards[progress.shard]!, progress, { leaseUntil });
      if (ours.length > 0) outbox.write();
      return new Set(ours.map(({ shard }) => shard));
    },

    async reportAlive(holder, leaseMs) {
      requireConnection();
      outbox.relays.set(holder, outbox.clock.now() + leaseMs);
      outbox.write();
      return [...outbox.relays].filter(([other, until]) => other === holder || until > outbox.clock.now()).length;
    },

    async reportGone(holder) {
      requireConnection();
      outbox.relays.delete(holder);
      outbox.write();
    },

    async countShards() {
      requireConnection();
      return outbox.shards.length;
    },

    async claimShards(holder, leaseMs, wanted, held) {
      requireConnection();
      if (wanted <= 0) return [];
      adoptForeignRows(outbox);
      const { shards, systemIdentifier, clock } = outbox;
      const free = shards
        .filter((row) => (row.leaseUntil < clock.now() || row.holder === holder) && !held.includes(row.shard))
        .slice(0, wanted);
      for (const row of free) {
        if (row.systemIdentifier !== null && isElsewhere(outbox, row)) Object.assign(row, beginning);
        Object.assign(row, { holder, epoch: row.epoch + 1, leaseUntil: clock.now() + leaseMs, systemIdentifier });
      }
      if (free.length > 0) outbox.write();
      return free.map(({ holder: _holder, leaseUntil: _until, systemIdentifier: _id, ...progress }) => progress);
    },

    async releaseShards(holder, shards) {
      requireConnection();
      for (const row of outbox.shards)
        if (row.holder === holder && shards.includes(row.shard))
          Object.assign(row, { holder: null, leaseUntil: -Infinity });
      outbox.write();
    },

    close: () => void (isOpen = false),
  };
}

/** The two arms of the page query: at or above prev's xmax by id, and what was running in prev by transaction. */
function pageOf(outbox: MemoryOutbox, progress: ShardProgress, limit: number): OutboxRow[] {
  const prev = new Snapshot(progress.prev);
  const target = progress.target === null ? null : new Snapshot(progress.target);
  const floorId = Math.max(progress.floorId, progress.lastId);
  const rows = outbox.rows[progress.shard]!.filter(
    ({ id, xid, isCommitted }) =>
      isCommitted &&
      (target === null || target.sees(xid)) &&
      (xid >= prev.xmax ? id > floorId : id > progress.lastId && prev.running.includes(xid)),
  ).slice(0, limit);
  let bytes = 0;
  const page: OutboxRow[] = [];
  for (const { xid: _xid, isCommitted: _isCommitted, ...row } of rows) {
    if (bytes >= PAGE_BYTES) break;
    bytes += row.payload.length;
    page.push({ ...row, fillsPage: bytes >= PAGE_BYTES });
  }
  return page;
}

function isElsewhere(outbox: MemoryOutbox, { systemIdentifier, prev }: ShardRow): boolean {
  return systemIdentifier !== outbox.systemIdentifier || new Snapshot(prev).xmax > new Snapshot(outbox.snapshot()).xmax;
}

/** Rows with a transaction id that this server has not given out. */
function adoptForeignRows(outbox: MemoryOutbox): void {
  const now = new Snapshot(outbox.snapshot());
  for (const shard of outbox.shards)
    if (isElsewhere(outbox, shard))
      for (const row of outbox.rows[shard.shard]!) if (row.isCommitted && !now.sees(row.xid)) row.xid = BOOTSTRAP_XID;
}
