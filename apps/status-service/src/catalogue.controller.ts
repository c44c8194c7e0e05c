// /v1/event-types, /v1/stats and /v1/openapi.json
import { Controller, Get, Inject, Req } from '@nestjs/common';
import type { Clock } from '#clock';
import { catalogue } from '#events';
import type { Stats } from './stats.ts';
import { CLOCK, OPENAPI, STATS } from './wiring.ts';
import { type ApiRequest, callerOf } from './wire.ts';

@Controller('v1')
export class CatalogueController {
  readonly #stats: Stats;
  readonly #clock: Clock;
  readonly #openApi: object;

  constructor(@Inject(STATS) stats: Stats, @Inject(CLOCK) clock: Clock, @Inject(OPENAPI) openApi: object) {
    this.#stats = stats;
    this.#clock = clock;
    this.#openApi = openApi;
  }

  @Get('event-types')
  eventTypes() {
    return {
      items: catalogue.map((eventType) => ({ ...eventType, meanings: eventType.meanings ?? null })),
      nextCursor: null,
    };
  }

  @Get('stats')
  async stats(@Req() request: ApiRequest) {
    const tenantId = callerOf(request).tenantId ?? undefined;
    const [{ lanes, waiting }, finishedLastHour, minutes] = await Promise.all([
      this.#stats.backlog(tenantId),
      this.#stats.finishedLastHour(tenantId),
      tenantId === undefined ? this.#stats.attemptsPerMinute() : null,
    ]);
    return {
      at: iso(this.#clock.now()),
      lanes: { ...lanes, oldestBlockedAt: lanes.oldestBlockedAt === null ? null : iso(lanes.oldestBlockedAt) },
      waiting,
      finishedLastHour,
      attemptsPerMinute: minutes?.map((minute) => ({ ...minute, minuteAt: iso(minute.minuteAt) })) ?? null,
    };
  }

  @Get('openapi.json')
  openApi(): object {
    return this.#openApi;
  }
}

const iso = (wallMs: number): string => new Date(wallMs).toISOString();
