// Who wants what, as outbox.publish_event reads it: written in the transaction that changes the endpoint.
import type { EntityManager } from 'typeorm';

/**
 * One row for each type, or '*' for every type. The publisher reads these rows in its own transaction: an event is enqueued
 * for the endpoint if and only if the route's commit came first. Paused endpoints keep their routes: their events wait.
 */
export async function replaceRoutes(
  manager: EntityManager,
  route: { tenantId: string; endpointId: string; eventTypes: string[] | null },
): Promise<void> {
  const { tenantId, endpointId, eventTypes } = route;
  await removeRoutes(manager, endpointId);
  await manager.query(
    'INSERT INTO outbox.route (tenant_id, event_type, endpoint_id) SELECT $1, unnest($2::text[]), $3',
    [tenantId, eventTypes ?? ['*'], endpointId],
  );
}

/** A deleted endpoint receives nothing more. */
export async function removeRoutes(manager: EntityManager, endpointId: string): Promise<void> {
  await manager.query('DELETE FROM outbox.route WHERE endpoint_id = $1', [endpointId]);
}
