// The sample service's table of contents: a database, two kinds of things, and their HTTP doors.
import { Module, type Type } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { systemClock } from '#clock';
import { ApplicationsController } from './applications.controller.ts';
import { Applications } from './applications.ts';
import { CardsController } from './cards.controller.ts';
import { Cards } from './cards.ts';

export function onboardingDemoModule(source: DataSource): Type {
  @Module({
    providers: [
      { provide: Applications, useFactory: () => new Applications(source, systemClock) },
      { provide: Cards, useFactory: () => new Cards(source, systemClock) },
    ],
    controllers: [ApplicationsController, CardsController],
  })
  class OnboardingDemoModule {}
  return OnboardingDemoModule;
}
