// /v1/tenants
import { Body, Controller, Get, HttpCode, Inject, Param, Put, Query, Req } from '@nestjs/common';
import type { DataSource } from '#database/typeorm';
import { writeAuditEntry } from '#audit';
import { listTenants, putTenant, tenantInputSchema } from '#endpoints/admin';
import { readBody, readQuery, readTenantId } from './input.ts';
import { readPage } from './paging.ts';
import { pageQuery } from './schemas.ts';
import { DATA_SOURCE } from './wiring.ts';
import { type ApiRequest, callerOf } from './wire.ts';

const tenantsList = { kind: 'tenants', keyOf: (tenant: { id: string }) => tenant.id, isKey: () => true };

@Controller('v1/tenants')
export class TenantsController {
  readonly #source: DataSource;

  constructor(@Inject(DATA_SOURCE) source: DataSource) {
    this.#source = source;
  }

  @Put(':tenantId')
  @HttpCode(200)
  async put(@Req() request: ApiRequest, @Param('tenantId') tenantId: string, @Body() body: unknown) {
    const { actor, role } = callerOf(request);
    const id = readTenantId(tenantId);
    const input = readBody(tenantInputSchema, body);
    return this.#source.transaction(async (manager) => {
      const { tenant, created } = await putTenant(manager, id, input);
      const action = created ? 'tenant.created' : 'tenant.changed';
      await writeAuditEntry(manager, {
        actor,
        role,
        action,
        target: `tenant:${id}`,
        tenantId: id,
        details: { ...input },
      });
      return tenant;
    });
  }

  @Get()
  list(@Req() request: ApiRequest, @Query() query: unknown) {
    const { tenantId } = callerOf(request);
    return readPage(tenantsList, readQuery(pageQuery, query), (limit, afterId) =>
      listTenants(this.#source.manager, {
        limit,
        ...(afterId === undefined ? {} : { afterId }),
        ...(tenantId === null ? {} : { onlyId: tenantId }),
      }),
    );
  }
}
