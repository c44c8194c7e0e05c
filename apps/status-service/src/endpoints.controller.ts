// /v1/endpoints and /v1/tenants/{tenantId}/endpoints
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query, Req } from '@nestjs/common';
import type { DataSource, EntityManager } from '#database/typeorm';
import { writeAuditEntry } from '#audit';
import type { Clock } from '#clock';
import { type Pool, withTransaction } from '#database';
import { insertRetryOfHalted, isUuid } from '#deliveries';
import type { SecretBox } from '#endpoints';
import {
  changeEndpoint,
  checkEndpointPatch,
  checkNewEndpoint,
  createEndpoint,
  deleteEndpoint,
  type Endpoint,
  findEndpoint,
  listEndpoints,
  type UrlGuard,
} from '#endpoints/admin';
import { readBody, readQuery, readTenantId, readUuid } from './input.ts';
import { readPage } from './paging.ts';
import { badFields, notFound } from './problem.ts';
import type { RetryTickets } from './retry-tickets.ts';
import { maySee, visible } from './roles.ts';
import { pageQuery, reasonBody } from './schemas.ts';
import { CLOCK, DATA_SOURCE, POOL, SECRET_BOX, TICKETS, URL_GUARD } from './wiring.ts';
import { type ApiRequest, type Caller, callerOf } from './wire.ts';

const endpointsList = { kind: 'endpoints', keyOf: ({ id }: Endpoint) => id, isKey: isUuid };

@Controller('v1')
export class EndpointsController {
  readonly #source: DataSource;
  readonly #pool: Pool;
  readonly #secretBox: SecretBox;
  readonly #guard: UrlGuard;
  readonly #tickets: RetryTickets;
  readonly #clock: Clock;

  constructor(
    @Inject(DATA_SOURCE) source: DataSource,
    @Inject(POOL) pool: Pool,
    @Inject(SECRET_BOX) secretBox: SecretBox,
    @Inject(URL_GUARD) guard: UrlGuard,
    @Inject(TICKETS) tickets: RetryTickets,
    @Inject(CLOCK) clock: Clock,
  ) {
    this.#source = source;
    this.#pool = pool;
    this.#secretBox = secretBox;
    this.#guard = guard;
    this.#tickets = tickets;
    this.#clock = clock;
  }

  @Post('tenants/:tenantId/endpoints')
  async create(@Req() request: ApiRequest, @Param('tenantId') tenantParam: string, @Body() body: unknown) {
    const caller = callerOf(request);
    const tenantId = readTenantId(tenantParam);
    if (!maySee(caller, tenantId)) throw notFound('tenant');
    const checked = checkNewEndpoint(body, this.#guard);
    if (!checked.ok) throw badFields(checked.faults);
    const creation = { tenantId, input: checked.value, nowMs: this.#clock.now() };
    return this.#source.transaction(async (manager) => {
      const created = await createEndpoint(manager, this.#secretBox, creation);
      if (created.outcome === 'no_such_tenant') throw notFound('tenant');
      const { url, format, eventTypes } = created.endpoint;
      await record(manager, caller, 'endpoint.created', created.endpoint, { url, format, eventTypes });
      return { ...created.endpoint, secret: created.secret };
    });
  }

  @Get('tenants/:tenantId/endpoints')
  list(@Req() request: ApiRequest, @Param('tenantId') tenantParam: string, @Query() query: unknown) {
    const tenantId = readTenantId(tenantParam);
    if (!maySee(callerOf(request), tenantId)) throw notFound('tenant');
    return readPage(endpointsList, readQuery(pageQuery, query), (limit, afterId) =>
      listEndpoints(this.#source.manager, { tenantId, limit, ...(afterId === undefined ? {} : { afterId }) }),
    );
  }

  @Get('endpoints/:id')
  read(@Req() request: ApiRequest, @Param('id') id: string): Promise<Endpoint> {
    return this.#find(callerOf(request), id);
  }

  @Patch('endpoints/:id')
  async change(@Req() request: ApiRequest, @Param('id') id: string, @Body() body: unknown): Promise<Endpoint> {
    const caller = callerOf(request);
    await this.#find(caller, id);
    const checked = checkEndpointPatch(body);
    if (!checked.ok) throw badFields(checked.faults);
    const means = { secretBox: this.#secretBox, guard: this.#guard };
    return this.#source.transaction(async (manager) => {
      const changed = await changeEndpoint(manager, means, { id, patch: checked.value });
      if (changed.outcome === 'not_found') throw notFound('endpoint');
      if (changed.outcome === 'invalid') throw badFields(changed.faults);
      if (changed.fields.length === 0) return changed.endpoint;
      // What was changed, not to what: the header's value is a secret.
      await record(manager, caller, 'endpoint.changed', changed.endpoint, { fields: changed.fields });
      return changed.endpoint;
    });
  }

  @Delete('endpoints/:id')
  @HttpCode(204)
  async delete(@Req() request: ApiRequest, @Param('id') id: string): Promise<void> {
    const caller = callerOf(request);
    const endpoint = await this.#find(caller, id);
    await this.#source.transaction(async (manager) => {
      if (!(await deleteEndpoint(manager, endpoint.id))) throw notFound('endpoint');
      await record(manager, caller, 'endpoint.deleted', endpoint, { url: endpoint.url });
    });
  }

  @Post('endpoints/:id/retry-halted')
  @HttpCode(202)
  async retryHalted(@Req() request: ApiRequest, @Param('id') id: string, @Body() body: unknown) {
    const caller = callerOf(request);
    const { id: endpointId, tenantId } = await this.#find(caller, id);
    const { reason } = readBody(reasonBody, body);
    const { actor, role } = caller;
    const commands = await withTransaction(this.#pool, async (client) => {
      const inserted = await insertRetryOfHalted(client, { endpointId, reason, requestedBy: actor });
      const details = { lanes: inserted.length };
      const target = `endpoint:${endpointId}`;
      await writeAuditEntry(client, {
        actor,
        role,
        action: 'endpoint.retry_halted',
        target,
        tenantId,
        reason,
        details,
      });
      return inserted;
    });
    this.#tickets.announce(commands);
    return { endpointId, lanes: commands.length };
  }

  async #find(caller: Caller, id: string): Promise<Endpoint> {
    return visible(caller, await findEndpoint(this.#source.manager, readUuid(id, 'endpoint')), 'endpoint');
  }
}

async function record(
  manager: EntityManager,
  { actor, role }: Caller,
  action: string,
  { id, tenantId }: Endpoint,
  details: object,
): Promise<void> {
  await writeAuditEntry(manager, { actor, role, action, target: `endpoint:${id}`, tenantId, details });
}
