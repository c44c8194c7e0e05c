// What became of a step that a caller asked for: the caller has to handle each.
import { ConflictException, NotFoundException } from '@nestjs/common';

export type StepResult<State extends string> =
  /** Committed; `eventId` is null when no endpoint of the tenant wants the event. */
  { kind: 'done'; state: State; eventId: string | null } | { kind: 'not_found' } | { kind: 'not_now'; state: State };

/** As HTTP has it: the new state, 404 or 409. */
export function toAnswer<State extends string>(result: StepResult<State>): { state: State; eventId: string | null } {
  switch (result.kind) {
    case 'done':
      return { state: result.state, eventId: result.eventId };
    case 'not_found':
      throw new NotFoundException();
    case 'not_now':
      throw new ConflictException(`not possible while ${result.state}`);
  }
}
