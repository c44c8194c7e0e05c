// Checks what becomes of kafkajs's errors: the code, and whether to try again.
import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { KafkaFault, toKafkaFault, TransportFaults } from './fault.ts';

function brokerError(type: string): Error {
  return new kafkajs.KafkaJSProtocolError(
    Object.assign(new Error(`it is ${type}`), { type, code: 0, retriable: true }),
  );
}

describe('toKafkaFault', () => {
  it.each([
    ['MESSAGE_TOO_LARGE', 'record_too_large', false],
    ['RECORD_LIST_TOO_LARGE', 'record_too_large', false],
    ['NOT_LEADER_FOR_PARTITION', 'not_leader', true],
    ['NOT_ENOUGH_REPLICAS', 'not_enough_replicas', true],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'topic_missing', true],
    ['ILLEGAL_GENERATION', 'rebalancing', true],
    ['TOPIC_AUTHORIZATION_FAILED', 'not_authorized', true],
    ['SOMETHING_NEW', 'broker_error', true],
  ] as const)('maps the broker’s %s to %s', (type, code, retryable) => {
    expect(toKafkaFault(brokerError(type))).toMatchObject({ code, retryable, message: `it is ${type}` });
  });

  it.each([
    [new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED'), 'not_connected'],
    [new kafkajs.KafkaJSRequestTimeoutError('timed out'), 'timed_out'],
    [new kafkajs.KafkaJSError('The producer is disconnected'), 'not_connected'],
    [new TypeError('undefined is not a function'), 'unexpected'],
    ['a string', 'unexpected'],
  ] as const)('maps the client’s %s to %s', (error, code) => {
    expect(toKafkaFault(error)).toMatchObject({ code, retryable: true });
  });

  it('looks through the wrappers of kafkajs at the innermost cause', () => {
    const inner = brokerError('MESSAGE_TOO_LARGE');
    const outer = new kafkajs.KafkaJSNumberOfRetriesExceeded(inner, { retryCount: 0, retryTime: 1 });
    const fault = toKafkaFault(outer);
    expect([fault.code, fault.tooLarge, fault.cause]).toEqual(['record_too_large', true, outer]);
  });

  it('leaves our own faults as they are, also inside a wrapper', () => {
    const ours = new KafkaFault('partition_count_mismatch', 'topic x has 3 partitions');
    expect(toKafkaFault(ours)).toBe(ours);
    expect(toKafkaFault(new Error('wrapped', { cause: ours }))).toBe(ours);
  });
});

describe('TransportFaults', () => {
  it('says for every code whether to try again', () => {
    for (const [code, retryable] of Object.entries(TransportFaults)) {
      expect(new KafkaFault(code as keyof typeof TransportFaults, 'x').retryable).toBe(retryable);
    }
  });
});
