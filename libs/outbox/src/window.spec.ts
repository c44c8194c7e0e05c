// How a window moves on, page by page: the pure part of the relay's bookkeeping.
import { describe, expect, it } from 'vitest';
import type { OutboxRow } from './rows.ts';
import { advance, type Page, type ShardProgress } from './window.ts';

const before: ShardProgress = { shard: 2, prev: '10:12:', floorId: 5, target: null, targetFloorId: null, lastId: 0 };
const rowsTo = (...ids: number[]) => ids.map((id) => ({ id, shard: 2, fillsPage: false }) as OutboxRow);
const pageOf = (snapshot: string): Page => ({ snapshot, lastDrawnId: 900, rows: [] });

describe('advance', () => {
  it('closes a window that fits into one page: its snapshot is the next prev, its floor what was known before', () => {
    expect(advance(before, pageOf('20:22:'), rowsTo(6, 9), 3, 7)).toEqual({
      ...before,
      prev: '20:22:',
      floorId: 7,
    });
  });

  it('holds the target of its first page until the window is exhausted', () => {
    const first = advance(before, pageOf('20:22:'), rowsTo(6, 9), 2, 7);
    expect(first).toEqual({ ...before, target: '20:22:', targetFloorId: 7, lastId: 9 });
    const second = advance(first, pageOf('30:33:'), rowsTo(11, 12), 2, 8);
    expect(second).toEqual({ ...first, lastId: 12 });
    expect(advance(second, pageOf('40:44:'), [], 2, 9)).toEqual({ ...before, prev: '20:22:', floorId: 7 });
  });

  it('holds the target of a page that was cut short by its bytes', () => {
    const cut = rowsTo(6, 9).map((row) => ({ ...row, fillsPage: row.id === 9 }));
    expect(advance(before, pageOf('20:22:'), cut, 5, 7)).toEqual({
      ...before,
      target: '20:22:',
      targetFloorId: 7,
      lastId: 9,
    });
  });

  it('never lowers the floor, and never takes it from the page that it closes', () => {
    expect(advance(before, pageOf('20:22:'), [], 2, 0)).toEqual({ ...before, prev: '20:22:', floorId: 5 });
    expect(advance(before, pageOf('20:22:'), [], 2, 6).floorId).toBe(6);
  });
});
