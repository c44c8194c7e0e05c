// POST /cards, POST /cards/{id}/{step}
import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { CARD_STEPS, Cards } from './cards.ts';
import { read, tenantId } from './input.ts';
import { toAnswer } from './step.ts';

const newCard = z.strictObject({ tenantId, userId: z.uuid() });
const stepOfCard = z.strictObject({ id: z.uuid(), step: z.enum(CARD_STEPS) });

@Controller('cards')
export class CardsController {
  readonly #cards: Cards;

  constructor(@Inject(Cards) cards: Cards) {
    this.#cards = cards;
  }

  @Post()
  order(@Body() body: unknown) {
    const { tenantId, userId } = read(newCard, body);
    return this.#cards.order(tenantId, userId);
  }

  @Post(':id/:step')
  @HttpCode(200)
  async take(@Param() parameters: unknown) {
    const { id, step } = read(stepOfCard, parameters);
    return toAnswer(await this.#cards.take(id, step));
  }
}
