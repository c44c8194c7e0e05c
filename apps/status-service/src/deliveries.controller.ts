// /v1/deliveries
import { Controller, Get, Inject, Param, Query, Req } from '@nestjs/common';
import { writeAuditEntry } from '#audit';
import type { Pool } from '#database';
import {
  type DeliveryDetail,
  type DeliverySummary,
  findDelivery,
  listDeliveries,
  parseDeliveryCursor,
  parseDeliveryId,
} from '#deliveries';
import { detailView } from './delivery-view.ts';
import { readQuery } from './input.ts';
import { badCursor, type Page } from './paging.ts';
import { requireRight, tenantScope, visible } from './roles.ts';
import { deliveriesQuery, deliveryQuery } from './schemas.ts';
import { withoutUndefined } from './without-undefined.ts';
import { POOL } from './wiring.ts';
import { type ApiRequest, callerOf } from './wire.ts';

@Controller('v1/deliveries')
export class DeliveriesController {
  readonly #pool: Pool;

  constructor(@Inject(POOL) pool: Pool) {
    this.#pool = pool;
  }

  @Get()
  async list(@Req() request: ApiRequest, @Query() query: unknown): Promise<Page<DeliverySummary>> {
    const { order, limit, cursor, tenantId, ...filter } = readQuery(deliveriesQuery, query);
    const scope = tenantScope(callerOf(request), tenantId);
    if (cursor !== undefined && !parseDeliveryCursor(cursor, order)) throw badCursor();
    if (!scope) return { items: [], nextCursor: null };
    const page = { order, limit, ...(cursor === undefined ? {} : { cursor }) };
    return listDeliveries(this.#pool, { ...withoutUndefined(filter), ...scope }, page);
  }

  @Get(':id')
  async read(@Req() request: ApiRequest, @Param('id') id: string, @Query() query: unknown) {
    const caller = callerOf(request);
    const reveal = readQuery(deliveryQuery, query).reveal === 'true';
    if (reveal) requireRight(caller, 'payloads.reveal');
    const key = parseDeliveryId(id);
    const found: DeliveryDetail | null = key && (await findDelivery(this.#pool, key));
    const delivery = visible(caller, found, 'delivery');
    if (reveal) {
      // Before the answer leaves: nobody sees a payload without a trace.
      const { actor, role } = caller;
      const { tenantId, eventType } = delivery;
      const target = `delivery:${id}`;
      await writeAuditEntry(this.#pool, {
        actor,
        role,
        action: 'payload.revealed',
        target,
        tenantId,
        details: { eventType },
      });
    }
    return detailView(delivery, { reveal });
  }
}
