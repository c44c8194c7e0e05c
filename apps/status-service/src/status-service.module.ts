// The table of contents of the status service: every part, in the order in which a request meets it.
import { Module, type Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import type { DataSource } from '#database/typeorm';
import { findTokenBySecret } from '#audit/admin';
import type { Clock } from '#clock';
import type { Pool } from '#database';
import type { SecretBox } from '#endpoints';
import type { UrlGuard } from '#endpoints/admin';
import type { Logger } from '#telemetry';
import { AuditController } from './audit.controller.ts';
import { BearerGuard } from './bearer-guard.ts';
import { CatalogueController } from './catalogue.controller.ts';
import { DeliveriesController } from './deliveries.controller.ts';
import { EndpointsController } from './endpoints.controller.ts';
import { LanesController } from './lanes.controller.ts';
import { openApiDocument } from './openapi.ts';
import { ProblemFilter } from './problem-filter.ts';
import type { RetryTickets } from './retry-tickets.ts';
import type { Stats } from './stats.ts';
import { TenantsController } from './tenants.controller.ts';
import { TokensController } from './tokens.controller.ts';
import { CLOCK, DATA_SOURCE, LOGGER, OPENAPI, POOL, SECRET_BOX, STATS, TICKETS, URL_GUARD } from './wiring.ts';

/** What main.ts (or a test) brings: everything with a beginning and an end. */
export interface Parts {
  version: string;
  adminToken: string | undefined;
  clock: Clock;
  logger: Logger;
  pool: Pool;
  source: DataSource;
  secretBox: SecretBox;
  urlGuard: UrlGuard;
  tickets: RetryTickets;
  stats: Stats;
}

export function statusServiceModule(parts: Parts): Type {
  @Module({
    providers: [
      { provide: CLOCK, useFactory: () => parts.clock },
      { provide: LOGGER, useFactory: () => parts.logger },
      { provide: POOL, useFactory: () => parts.pool },
      { provide: DATA_SOURCE, useFactory: () => parts.source },
      { provide: SECRET_BOX, useFactory: () => parts.secretBox },
      { provide: URL_GUARD, useFactory: () => parts.urlGuard },
      { provide: TICKETS, useFactory: () => parts.tickets },
      { provide: STATS, useFactory: () => parts.stats },
      { provide: OPENAPI, useFactory: () => openApiDocument(parts.version) },
      {
        provide: APP_GUARD,
        useFactory: (source: DataSource) =>
          new BearerGuard(parts.adminToken, (secret) => findTokenBySecret(source.manager, secret)),
        inject: [DATA_SOURCE],
      },
      { provide: APP_FILTER, useFactory: (logger: Logger) => new ProblemFilter(logger), inject: [LOGGER] },
    ],
    controllers: [
      TenantsController,
      EndpointsController,
      DeliveriesController,
      LanesController,
      CatalogueController,
      AuditController,
      TokensController,
    ],
  })
  class StatusServiceModule {}
  return StatusServiceModule;
}
