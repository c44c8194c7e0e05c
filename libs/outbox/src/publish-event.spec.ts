// What the compiler says about publishEvent: payloads of the catalogue are checked, others are the caller's own.
import { describe, expect, expectTypeOf, it } from 'vitest';
import { catalogue } from '#events';
import { type CatalogueEvent, type CustomEvent, publishEvent, type PublishRunner } from './publish-event.ts';

type Given = CatalogueEvent | CustomEvent;

describe('publishEvent', () => {
  it('knows every type of the catalogue by its payload', () => {
    expectTypeOf<CatalogueEvent['type']>().toExtend<string>();
    expectTypeOf<{
      tenantId: string;
      streamId: string;
      type: 'SIGNING_SESSION_CREATED';
      payload: number;
    }>().not.toExtend<Given>();
    expectTypeOf<{ tenantId: string; streamId: string; type: 'NO_SUCH_TYPE'; payload: object }>().not.toExtend<Given>();
    expectTypeOf<{ tenantId: string; streamId: string; customType: 'OURS'; payload: number }>().toExtend<Given>();
    expectTypeOf<{ tenantId: string; customType: 'OURS'; payload: number }>().not.toExtend<Given>();
  });

  it('passes the arguments in the order of the SQL function, and reads either driver’s answer', async () => {
    const calls: unknown[][] = [];
    const answering = (answer: unknown): PublishRunner =>
      ({
        query: (_text: string, values: unknown[]) => {
          calls.push(values);
          return Promise.resolve(answer);
        },
      }) as PublishRunner;
    const [type] = catalogue;
    const event = {
      tenantId: 't',
      streamId: 's',
      type: type!.type,
      payload: type!.sample,
      eventId: 'e',
    } as CatalogueEvent;
    expect(await publishEvent(answering({ rows: [{ event_id: 'e' }] }), event)).toBe('e');
    const custom = { tenantId: 't', streamId: 's', customType: 'OURS', payload: 'x', occurredAt: new Date(0) };
    expect(await publishEvent(answering([{ event_id: null }]), custom)).toBeNull();
    expect(calls).toEqual([
      ['t', 's', type!.type, JSON.stringify(type!.sample), null, 'e', null],
      ['t', 's', 'OURS', '"x"', '1970-01-01T00:00:00.000Z', null, null],
    ]);
  });
});
