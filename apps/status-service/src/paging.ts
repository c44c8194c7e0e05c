// Lists in pages, by the key of the last item shown.
import { decodeCursor, encodeCursor } from '#deliveries';
import { badParameters } from './problem.ts';

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

export const badCursor = () => badParameters([{ field: 'cursor', detail: 'is no cursor of this list' }]);

/** Reads one item more than asked for: whether there is one tells whether there is a next page. */
export async function readPage<T>(
  list: { kind: string; keyOf: (item: T) => string; isKey: (key: string) => boolean },
  query: { limit: number; cursor?: string | undefined },
  read: (limit: number, afterKey: string | undefined) => Promise<T[]>,
): Promise<Page<T>> {
  const after = query.cursor === undefined ? undefined : decodeCursor(list.kind, query.cursor, 1)?.map(String)[0];
  if (query.cursor !== undefined && (after === undefined || !list.isKey(after))) throw badCursor();
  const rows = await read(query.limit + 1, after);
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  const more = rows.length > query.limit && last !== undefined;
  return { items, nextCursor: more ? encodeCursor(list.kind, [list.keyOf(last)]) : null };
}
