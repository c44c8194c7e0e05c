// Which endpoints are there: for those who need nothing else of them.
import { prepared, type Queryable } from '#database';

/** The ids among `ids` whose endpoint exists and is not deleted. Paused ones count. */
export async function findLivingEndpoints(db: Queryable, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await prepared<{ id: string }>(
    db,
    'endpoint_find_living',
    'SELECT id FROM waybill.endpoint WHERE id = ANY ($1::uuid[]) AND deleted_at IS NULL',
    [ids],
  );
  return new Set(rows.map((row) => row.id));
}
