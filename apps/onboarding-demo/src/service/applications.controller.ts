// POST /applications, POST /applications/{id}/{step}
import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { APPLICATION_STEPS, Applications } from './applications.ts';
import { read, tenantId } from './input.ts';
import { toAnswer } from './step.ts';

const newApplication = z.strictObject({ tenantId, applicant: z.string().min(1).max(200) });
const stepOfApplication = z.strictObject({ id: z.uuid(), step: z.enum(APPLICATION_STEPS) });

@Controller('applications')
export class ApplicationsController {
  readonly #applications: Applications;

  constructor(@Inject(Applications) applications: Applications) {
    this.#applications = applications;
  }

  @Post()
  open(@Body() body: unknown) {
    const { tenantId, applicant } = read(newApplication, body);
    return this.#applications.open(tenantId, applicant);
  }

  @Post(':id/:step')
  @HttpCode(200)
  async take(@Param() parameters: unknown) {
    const { id, step } = read(stepOfApplication, parameters);
    return toAnswer(await this.#applications.take(id, step));
  }
}
