// /v1/lanes
import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import { writeAuditEntry } from '#audit';
import { type Pool, withTransaction } from '#database';
import {
  type CommandKind,
  findLane,
  insertOperatorCommand,
  laneOrder,
  type LaneSummary,
  listLanes,
  parseLaneCursor,
} from '#deliveries';
import { failpoint } from '#failpoint';
import { readBody, readQuery, readUuid } from './input.ts';
import { badCursor, type Page } from './paging.ts';
import { badParameters, conflict, notFound } from './problem.ts';
import type { RetryTickets } from './retry-tickets.ts';
import { tenantScope, visible } from './roles.ts';
import { commandBody, lanesQuery } from './schemas.ts';
import { withoutUndefined } from './without-undefined.ts';
import { POOL, TICKETS } from './wiring.ts';
import { type ApiRequest, callerOf } from './wire.ts';

@Controller('v1/lanes')
export class LanesController {
  readonly #pool: Pool;
  readonly #tickets: RetryTickets;

  constructor(@Inject(POOL) pool: Pool, @Inject(TICKETS) tickets: RetryTickets) {
    this.#pool = pool;
    this.#tickets = tickets;
  }

  @Get()
  async list(@Req() request: ApiRequest, @Query() query: unknown): Promise<Page<LaneSummary>> {
    const { limit, cursor, tenantId, ...asked } = readQuery(lanesQuery, query);
    const scope = tenantScope(callerOf(request), tenantId);
    const filter = { ...withoutUndefined(asked), ...scope };
    const order = laneOrder(filter);
    if (!order)
      throw badParameters([{ field: 'state', detail: 'open lanes are listed for one endpointId or streamId' }]);
    if (cursor !== undefined && !parseLaneCursor(cursor, order)) throw badCursor();
    if (!scope) return { items: [], nextCursor: null };
    return listLanes(this.#pool, filter, { limit, ...(cursor === undefined ? {} : { cursor }) });
  }

  @Post(':endpointId/:streamId/retry')
  @HttpCode(202)
  retry(
    @Req() request: ApiRequest,
    @Param('endpointId') endpointId: string,
    @Param('streamId') streamId: string,
    @Body() body: unknown,
  ) {
    return this.#command(request, 'retry', { endpointId, streamId }, body);
  }

  @Post(':endpointId/:streamId/skip')
  @HttpCode(202)
  skip(
    @Req() request: ApiRequest,
    @Param('endpointId') endpointId: string,
    @Param('streamId') streamId: string,
    @Body() body: unknown,
  ) {
    return this.#command(request, 'skip', { endpointId, streamId }, body);
  }

  /** Accepted, not done: the lane's owner applies it within seconds, if its sequence is still the head by then. */
  async #command(
    request: ApiRequest,
    kind: CommandKind,
    lane: { endpointId: string; streamId: string },
    body: unknown,
  ) {
    const { actor, role } = callerOf(request);
    const endpointId = readUuid(lane.endpointId, 'lane');
    const { tenantId, streamId } = visible(
      callerOf(request),
      await findLane(this.#pool, endpointId, lane.streamId),
      'lane',
    );
    const { sequence, reason } = readBody(commandBody, body);
    const command = await withTransaction(this.#pool, async (client) => {
      const given = { endpointId, streamId, kind, sequence, reason, requestedBy: actor };
      const result = await insertOperatorCommand(client, given);
      if (result.outcome === 'no_such_lane') throw notFound('lane');
      if (result.outcome === 'not_head') throw notTheHead(sequence, result);
      if (result.outcome === 'not_skippable') throw notSkippable(result);
      const target = `lane:${endpointId}/${streamId}`;
      const details = { sequence, command: result.command.id };
      await writeAuditEntry(client, { actor, role, action: `lane.${kind}`, target, tenantId, reason, details });
      return result.command;
    });
    await failpoint('status.after_command');
    this.#tickets.announce([command]);
    return { id: command.id, endpointId, streamId, kind, sequence };
  }
}

function notTheHead(sequence: number, lane: { state: string; headSequence: number | null }) {
  const detail =
    lane.headSequence === null
      ? 'the lane is open: nothing of it waits for an operator'
      : `sequence ${sequence} is not the head: that is ${lane.headSequence}`;
  return conflict(detail, { state: lane.state, headSequence: lane.headSequence });
}

function notSkippable({ state, headSequence, reason }: { state: string; headSequence: number; reason: string | null }) {
  const detail =
    reason === 'sequence_conflict'
      ? 'a skip would skip the head, which is not the event that was refused: a retry lets the lane go on'
      : 'nothing waits on the lane: there is nothing to skip';
  return conflict(detail, { state, headSequence, reason });
}
