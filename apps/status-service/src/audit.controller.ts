// /v1/audit
import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import type { DataSource } from '#database/typeorm';
import { type AuditEntryRow, listAuditEntries } from '#audit/admin';
import { readQuery } from './input.ts';
import { type Page, readPage } from './paging.ts';
import { tenantScope } from './roles.ts';
import { auditQuery } from './schemas.ts';
import { withoutUndefined } from './without-undefined.ts';
import { DATA_SOURCE } from './wiring.ts';
import { type ApiRequest, callerOf } from './wire.ts';

const auditList = {
  kind: 'audit',
  keyOf: ({ id }: AuditEntryRow) => String(id),
  isKey: (key: string) => /^\d{1,15}$/.test(key),
};

@Controller('v1/audit')
export class AuditController {
  readonly #source: DataSource;

  constructor(@Inject(DATA_SOURCE) source: DataSource) {
    this.#source = source;
  }

  @Get()
  async list(@Req() request: ApiRequest, @Query() query: unknown): Promise<Page<AuditEntryRow>> {
    const { limit, cursor, tenantId, from, to, ...asked } = readQuery(auditQuery, query);
    const scope = tenantScope(callerOf(request), tenantId);
    const filter = {
      ...withoutUndefined(asked),
      ...scope,
      ...(from === undefined ? {} : { from: new Date(from) }),
      ...(to === undefined ? {} : { to: new Date(to) }),
    };
    return readPage(auditList, { limit, cursor }, async (most, before) => {
      if (!scope) return [];
      const page = { ...filter, limit: most, ...(before === undefined ? {} : { beforeId: Number(before) }) };
      return listAuditEntries(this.#source.manager, page);
    });
  }
}
