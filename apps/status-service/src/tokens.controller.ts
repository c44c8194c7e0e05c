// /v1/tokens
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import type { DataSource } from '#database/typeorm';
import { writeAuditEntry } from '#audit';
import { createToken, deleteToken, listTokens } from '#audit/admin';
import { isUuid } from '#deliveries';
import { readBody, readQuery, readUuid } from './input.ts';
import { readPage } from './paging.ts';
import { notFound } from './problem.ts';
import { pageQuery, tokenBody } from './schemas.ts';
import { DATA_SOURCE } from './wiring.ts';
import { type ApiRequest, callerOf } from './wire.ts';

const tokensList = { kind: 'tokens', keyOf: ({ id }: { id: string }) => id, isKey: isUuid };

@Controller('v1/tokens')
export class TokensController {
  readonly #source: DataSource;

  constructor(@Inject(DATA_SOURCE) source: DataSource) {
    this.#source = source;
  }

  @Post()
  create(@Req() request: ApiRequest, @Body() body: unknown) {
    const { actor, role } = callerOf(request);
    const input = readBody(tokenBody, body);
    return this.#source.transaction(async (manager) => {
      const { token, secret } = await createToken(manager, { ...input, createdBy: actor });
      const target = `token:${token.id}`;
      await writeAuditEntry(manager, { actor, role, action: 'token.created', target, details: { ...input } });
      return { ...token, token: secret };
    });
  }

  @Get()
  list(@Query() query: unknown) {
    return readPage(tokensList, readQuery(pageQuery, query), (limit, afterId) =>
      listTokens(this.#source.manager, { limit, ...(afterId === undefined ? {} : { afterId }) }),
    );
  }

  @Delete(':id')
  @HttpCode(204)
  async delete(@Req() request: ApiRequest, @Param('id') idParam: string): Promise<void> {
    const { actor, role } = callerOf(request);
    const id = readUuid(idParam, 'token');
    await this.#source.transaction(async (manager) => {
      const token = await deleteToken(manager, id);
      if (!token) throw notFound('token');
      const details = { name: token.name, role: token.role, tenantId: token.tenantId };
      await writeAuditEntry(manager, { actor, role, action: 'token.deleted', target: `token:${id}`, details });
    });
  }
}
